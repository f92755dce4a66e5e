//! A daybook's stored bytes, part by part: what was cut goes on where it was cut.

use automerge::AutoCommit;
use axum::http::header::{CONTENT_RANGE, ETAG, HeaderName, IF_RANGE, RANGE};
use axum::http::{HeaderMap, Method, StatusCode};

use super::{Phone, PhoneError, Report, Transport};
use crate::domain::ids::DaybookId;

/// The longest part: as much as is lost where the signal goes.
const PART_BYTES: usize = 256 * 1024;

/// A download under way, kept in the phone's storage between two tries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Download {
    etag: String,
    cursor: String,
    bytes: Vec<u8>,
}

impl<T: Transport> Phone<T> {
    /// The stored bytes of a daybook, and the cursor for exactly these.
    ///
    /// # Errors
    /// [`PhoneError`]; what has arrived is kept, and the next try goes on from there.
    pub(super) async fn download(
        &mut self,
        id: DaybookId,
        report: &mut Report,
    ) -> Result<(Vec<u8>, String), PhoneError> {
        let path = format!("/v1/daybooks/{id}");
        loop {
            let begun = self.book(id).download.clone();
            let from = begun.as_ref().map_or(0, |begun| begun.bytes.len());
            let mut headers = vec![(RANGE, format!("bytes={from}-{}", from + PART_BYTES - 1))];
            headers.extend(begun.as_ref().map(|begun| (IF_RANGE, begun.etag.clone())));
            report.requests += 1;
            let response =
                self.request_with(Method::GET, &path, "application/json", Vec::new(), &headers).await?;
            report.bytes_down += response.body().len();
            let [etag, cursor] =
                [ETAG, HeaderName::from_static("daybook-cursor")].map(|name| text(response.headers(), &name));
            let mut download = Download { etag: etag?, cursor: cursor?, bytes: Vec::new() };
            let mut length = response.body().len();
            if response.status() == StatusCode::PARTIAL_CONTENT {
                download.bytes = begun
                    .filter(|begun| begun.etag == download.etag)
                    .map_or_else(Vec::new, |begun| begun.bytes);
                let range = text(response.headers(), &CONTENT_RANGE)?;
                length = total(&range, download.bytes.len())
                    .ok_or_else(|| PhoneError::Answer(format!("not the part asked for: {range}")))?;
            }
            download.bytes.extend_from_slice(response.body());
            if download.bytes.len() >= length {
                self.book(id).download = None;
                return Ok((download.bytes, download.cursor));
            }
            self.book(id).download = Some(download);
        }
    }

    /// Merges the server's document into the phone's, in place of changes that the server no longer keeps one by
    /// one; says whether another request is needed.
    pub(super) async fn catch_up(&mut self, id: DaybookId, report: &mut Report) -> Result<bool, PhoneError> {
        let (bytes, cursor) = self.download(id, report).await?;
        report.snapshots += 1;
        let mut server = AutoCommit::load(&bytes)?;
        let book = self.book(id);
        book.more = false;
        if book.doc.merge(&mut server).is_err() {
            book.forked = true;
            return Ok(!book.unsent().is_empty());
        }
        book.cursor = Some(cursor);
        book.take_heads(server.get_heads());
        Ok(true)
    }
}

fn text(headers: &HeaderMap, name: &HeaderName) -> Result<String, PhoneError> {
    let value = headers.get(name).and_then(|value| value.to_str().ok());
    value.map(str::to_owned).ok_or_else(|| PhoneError::Answer(format!("no {name}")))
}

/// The length of the whole, where the part begins as it must.
fn total(range: &str, from: usize) -> Option<usize> {
    let (part, total) = range.strip_prefix("bytes ")?.split_once('/')?;
    let (first, _) = part.split_once('-')?;
    if first.parse::<usize>().ok()? == from { total.parse().ok() } else { None }
}
