//! What the stories stand on: an application on either database, and phones that reach its router.

pub mod app;
pub mod desk;
pub mod listening;
pub mod postgres;

pub use app::{Backend, TestApp, TestPhone};

/// A test on both databases: `both! { async fn sending_twice_changes_nothing(app: TestApp) { … } }`.
macro_rules! both {
    ($(#[$meta:meta])* async fn $name:ident($app:ident: TestApp) $body:block) => {
        mod $name {
            use super::*;

            $(#[$meta])*
            async fn story($app: $crate::support::TestApp) $body

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                story($crate::support::TestApp::start($crate::support::Backend::Sqlite).await).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                story($crate::support::TestApp::start($crate::support::Backend::Postgres).await).await;
            }
        }
    };
}
pub(crate) use both;
