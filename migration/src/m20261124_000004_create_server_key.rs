//! The keys that all replicas share, sealed by the configured secret: a small directory table, the
//! same for every neighbourhood.

crate::sql::migration!(
    &["server_key"],
    &["CREATE TABLE server_key (
        kid text NOT NULL,
        purpose text NOT NULL,
        sealed {bytes} NOT NULL,
        created_at_ms bigint NOT NULL,
        active_from_ms bigint NOT NULL,
        retire_at_ms bigint,
        PRIMARY KEY (kid)
    )"]
);
