//! The tenant, and its versioned rules.

crate::sql::migration!(
    &["neighbourhood", "rule_pack"],
    &[
        "CREATE TABLE neighbourhood (
            neighbourhood_id {uuid} NOT NULL,
            name text NOT NULL,
            time_zone text NOT NULL,
            created_at_ms bigint NOT NULL,
            PRIMARY KEY (neighbourhood_id)
        )",
        "CREATE TABLE rule_pack (
            neighbourhood_id {uuid} NOT NULL,
            version bigint NOT NULL,
            body text NOT NULL,
            created_by {uuid},
            created_at_ms bigint NOT NULL,
            PRIMARY KEY (neighbourhood_id, version),
            FOREIGN KEY (neighbourhood_id) REFERENCES neighbourhood (neighbourhood_id)
        )",
    ]
);
