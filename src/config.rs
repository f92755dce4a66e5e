//! The configuration: read once, from arguments and environment, into one struct.
//!
//! Every variable starts with `DAYBOOK_`; one that nobody knows is refused, so that a misspelt name is found
//! at the start and not in production. Secrets may come from a file named by the same variable with `_FILE`.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::domain::limits::DOCUMENT_CACHE_BYTES_DEFAULT;

/// What programs that talk to a server read, such as the examples: often set beside the server's own.
const CLIENTS: [&str; 2] = ["DAYBOOK_URL", "DAYBOOK_TOKEN"];

/// Variables that may come from a file.
const SECRETS: [&str; 3] = ["DAYBOOK_DATABASE_URL", "DAYBOOK_SECRET", "DAYBOOK_OPERATOR_TOKEN"];
/// Shortest secret that seals the keys, in bytes.
pub const SECRET_BYTES_MIN: usize = 32;

/// Why the configuration is refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("unknown variable {0}; `daybook serve --help` lists those that there are")]
    UnknownVariable(String),
    #[error("{0} and {0}_FILE are both set; set one")]
    Twice(&'static str),
    #[error("cannot read the file of {0}_FILE")]
    File(&'static str, #[source] std::io::Error),
    #[error("DAYBOOK_SECRET must have at least {SECRET_BYTES_MIN} bytes")]
    SecretTooShort,
    #[error("a PostgreSQL database needs DAYBOOK_SECRET or DAYBOOK_SECRET_FILE, the same for all replicas")]
    SecretMissing,
    #[error("cannot keep the secret beside the database file")]
    SecretFile(#[source] std::io::Error),
    #[error("DAYBOOK_PUBLIC_URL must be an http or https URL without a path")]
    PublicUrl,
}

/// A value that is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The value itself, for the one place that uses it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Form of the log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    Json,
    Pretty,
}

/// Everything that can be set. Each field's first line is its help text.
#[derive(Debug, Clone, Args)]
pub struct Config {
    /// The database: `sqlite:PATH` or `postgres://…`. Also `DAYBOOK_DATABASE_URL_FILE`.
    #[arg(long, env = "DAYBOOK_DATABASE_URL", hide_env_values = true, default_value = "sqlite:./data/daybook.db",
        value_parser = |text: &str| Ok::<_, std::convert::Infallible>(Secret(text.to_owned())))]
    pub database_url: Secret,
    /// Connections to PostgreSQL of this replica.
    #[arg(long, env = "DAYBOOK_DATABASE_CONNECTIONS", default_value_t = 10)]
    pub database_connections: u32,
    /// Address to listen on.
    #[arg(long, env = "DAYBOOK_LISTEN", default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,
    /// Address at which Prometheus finds `/metrics`, away from the public one. Default: nowhere.
    #[arg(long, env = "DAYBOOK_METRICS_LISTEN")]
    pub metrics_listen: Option<SocketAddr>,
    /// Where clients reach this server, without a path: issuer of tokens, target of DPoP proofs.
    /// Default: `http://` and the address listened on.
    #[arg(long, env = "DAYBOOK_PUBLIC_URL")]
    pub public_url: Option<String>,
    /// Secret that seals the keys in the database, at least 32 bytes. Also `DAYBOOK_SECRET_FILE`. With SQLite
    /// it is made beside the database file if it is not given.
    #[arg(long, env = "DAYBOOK_SECRET", hide_env_values = true,
        value_parser = |text: &str| Ok::<_, std::convert::Infallible>(Secret(text.to_owned())))]
    pub secret: Option<Secret>,
    /// Token of the operator's routes; without it they answer 401. Also `DAYBOOK_OPERATOR_TOKEN_FILE`.
    #[arg(long, env = "DAYBOOK_OPERATOR_TOKEN", hide_env_values = true,
        value_parser = |text: &str| Ok::<_, std::convert::Infallible>(Secret(text.to_owned())))]
    pub operator_token: Option<Secret>,
    /// Whom to tell of a weakness, as a URI (`mailto:…`, `https:…`): shown at `/.well-known/security.txt`.
    #[arg(long, env = "DAYBOOK_SECURITY_CONTACT", value_parser = contact)]
    pub security_contact: Option<String>,
    /// Memory for documents that were loaded, in bytes; 0 remembers none.
    #[arg(long, env = "DAYBOOK_DOCUMENT_CACHE_BYTES", default_value_t = DOCUMENT_CACHE_BYTES_DEFAULT)]
    pub document_cache_bytes: u64,
    /// What to log, as `tracing` filters.
    #[arg(long, env = "DAYBOOK_LOG", default_value = "info,sqlx=warn,sea_orm=warn")]
    pub log: String,
    /// Form of the log lines.
    #[arg(long, env = "DAYBOOK_LOG_FORMAT", value_enum, default_value = "pretty")]
    pub log_format: LogFormat,
}

/// A URI of one line, as RFC 9116 wants a contact.
fn contact(text: &str) -> Result<String, String> {
    let uri = ["mailto:", "https:", "tel:"].iter().any(|scheme| text.starts_with(scheme));
    let line = text.chars().all(|c| c.is_ascii_graphic());
    (uri && line).then(|| text.to_owned()).ok_or_else(|| "a mailto:, https: or tel: URI".to_owned())
}

impl Config {
    /// Where clients reach this server, without a trailing slash.
    ///
    /// # Errors
    /// [`ConfigError::PublicUrl`] if it is no URL of that form.
    pub fn public_url(&self) -> Result<String, ConfigError> {
        let Some(text) = &self.public_url else { return Ok(format!("http://{}", self.listen)) };
        let url = reqwest::Url::parse(text).map_err(|_| ConfigError::PublicUrl)?;
        let plain = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
        if !plain || !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
            return Err(ConfigError::PublicUrl);
        }
        Ok(url.as_str().trim_end_matches('/').to_owned())
    }

    /// The secret that seals the keys. With SQLite and none configured, the one beside the database file,
    /// made by `random` (mode 0600) if it is not there.
    ///
    /// # Errors
    /// [`ConfigError`] if it is too short, missing with PostgreSQL, or its file cannot be kept.
    pub fn seal_secret(&self, random: impl FnOnce() -> [u8; 32]) -> Result<Secret, ConfigError> {
        if let Some(secret) = &self.secret {
            let long_enough = secret.reveal().len() >= SECRET_BYTES_MIN;
            return long_enough.then(|| secret.clone()).ok_or(ConfigError::SecretTooShort);
        }
        let Some(path) = self.database_url.reveal().strip_prefix("sqlite:") else {
            return Err(ConfigError::SecretMissing);
        };
        let path = path.trim_start_matches("//").split('?').next().unwrap_or_default();
        let file = PathBuf::from(format!("{path}.secret"));
        match std::fs::read_to_string(&file) {
            Ok(text) if text.trim().len() >= SECRET_BYTES_MIN => Ok(Secret(text.trim().to_owned())),
            Ok(_) => Err(ConfigError::SecretTooShort),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let secret = hex::encode(random());
                keep_secret(&file, &secret).map_err(ConfigError::SecretFile)?;
                Ok(Secret(secret))
            }
            Err(error) => Err(ConfigError::SecretFile(error)),
        }
    }
}

fn keep_secret(file: &std::path::Path, secret: &str) -> std::io::Result<()> {
    use std::io::Write as _;
    if let Some(folder) = file.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder)?;
    }
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut opened = options.open(file)?;
    opened.write_all(secret.as_bytes())?;
    opened.sync_all()
}

/// Checks the names of all `DAYBOOK_` variables against those known, and reads `*_FILE` secrets.
/// Answers the variables to set before the arguments are parsed.
///
/// # Errors
/// [`ConfigError`] for an unknown name, a secret given twice, or a file that cannot be read.
pub fn secrets_from_files(
    variables: impl Iterator<Item = (String, String)>,
    known: &[String],
) -> Result<Vec<(&'static str, String)>, ConfigError> {
    let mut found = Vec::new();
    let variables: Vec<(String, String)> =
        variables.filter(|(name, _)| name.starts_with("DAYBOOK_")).collect();
    for (name, value) in &variables {
        let secret = SECRETS.iter().find(|secret| name.strip_suffix("_FILE") == Some(**secret));
        if let Some(secret) = secret {
            if variables.iter().any(|(other, _)| other == secret) {
                return Err(ConfigError::Twice(secret));
            }
            let text = std::fs::read_to_string(value).map_err(|error| ConfigError::File(secret, error))?;
            found.push((*secret, text.trim_end().to_owned()));
        } else if !known.contains(name) && !CLIENTS.contains(&name.as_str()) {
            return Err(ConfigError::UnknownVariable(name.clone()));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(pairs: &[(&str, &str)]) -> impl Iterator<Item = (String, String)> {
        let owned: Vec<_> =
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        owned.into_iter()
    }

    #[test]
    fn a_misspelt_variable_is_refused_and_others_are_none_of_our_business() {
        let known = ["DAYBOOK_LISTEN".to_owned()];
        assert!(
            secrets_from_files(
                variables(&[("DAYBOOK_LISTEN", "x"), ("DAYBOOK_TOKEN", "z"), ("PATH", "y")]),
                &known
            )
            .is_ok()
        );
        let refused = secrets_from_files(variables(&[("DAYBOOK_LISTN", "x")]), &known);
        assert!(matches!(refused, Err(ConfigError::UnknownVariable(name)) if name == "DAYBOOK_LISTN"));
    }

    #[test]
    fn a_secret_comes_from_a_file_or_from_the_variable_but_not_from_both() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("secret");
        std::fs::write(&file, "from the file\n").expect("written");
        let path = file.to_string_lossy().into_owned();
        let read = secrets_from_files(variables(&[("DAYBOOK_SECRET_FILE", &path)]), &[]).expect("read");
        assert_eq!(read, vec![("DAYBOOK_SECRET", "from the file".to_owned())]);
        let both = [("DAYBOOK_SECRET_FILE", path.as_str()), ("DAYBOOK_SECRET", "x")];
        assert!(matches!(
            secrets_from_files(variables(&both), &["DAYBOOK_SECRET".into()]),
            Err(ConfigError::Twice(_))
        ));
    }

    #[test]
    fn a_contact_is_a_uri_of_one_line() {
        for good in
            ["mailto:security@daybook.example", "https://daybook.example/security", "tel:+44-121-4960000"]
        {
            assert_eq!(contact(good).as_deref(), Ok(good));
        }
        for wrong in [
            "",
            "security@daybook.example",
            "http://daybook.example",
            "mailto:a@b\nExpires: never",
            "mailto:a b",
        ] {
            assert!(contact(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_secret_is_never_printed() {
        assert!(!format!("{:?}", Secret("hunter2".into())).contains("hunter2"));
    }
}
