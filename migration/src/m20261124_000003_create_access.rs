//! Who may do what: invitations, devices and the grants that tokens stand on. Tokens carry the
//! neighbourhood, so every look-up names it.

crate::sql::migration!(
    &["invitation", "device", "access_grant"],
    &[
        "CREATE TABLE invitation (
            neighbourhood_id {uuid} NOT NULL,
            id {uuid} NOT NULL,
            token_hash {bytes} NOT NULL,
            role text,
            party_id {uuid},
            created_by {uuid},
            created_at_ms bigint NOT NULL,
            expires_at_ms bigint NOT NULL,
            revoked_at_ms bigint,
            redeemed_device_id {uuid},
            redeemed_at_ms bigint,
            PRIMARY KEY (neighbourhood_id, id),
            FOREIGN KEY (neighbourhood_id) REFERENCES neighbourhood (neighbourhood_id)
        )",
        "CREATE TABLE device (
            neighbourhood_id {uuid} NOT NULL,
            id {uuid} NOT NULL,
            party_id {uuid} NOT NULL,
            name text NOT NULL,
            thumbprint text NOT NULL,
            created_at_ms bigint NOT NULL,
            revoked_at_ms bigint,
            revision bigint NOT NULL,
            PRIMARY KEY (neighbourhood_id, id),
            UNIQUE (neighbourhood_id, thumbprint),
            FOREIGN KEY (neighbourhood_id, party_id) REFERENCES party (neighbourhood_id, id)
        )",
        "CREATE INDEX device_party ON device (neighbourhood_id, party_id)",
        "CREATE TABLE access_grant (
            neighbourhood_id {uuid} NOT NULL,
            id {uuid} NOT NULL,
            party_id {uuid} NOT NULL,
            device_id {uuid},
            name text NOT NULL,
            scopes text NOT NULL,
            token_hash {bytes} NOT NULL,
            thumbprint text,
            created_at_ms bigint NOT NULL,
            expires_at_ms bigint NOT NULL,
            used_at_ms bigint NOT NULL,
            revoked_at_ms bigint,
            revision bigint NOT NULL,
            PRIMARY KEY (neighbourhood_id, id),
            UNIQUE (neighbourhood_id, token_hash),
            FOREIGN KEY (neighbourhood_id, party_id) REFERENCES party (neighbourhood_id, id),
            FOREIGN KEY (neighbourhood_id, device_id) REFERENCES device (neighbourhood_id, id)
        )",
        "CREATE INDEX access_grant_party ON access_grant (neighbourhood_id, party_id)",
        "CREATE INDEX access_grant_device ON access_grant (neighbourhood_id, device_id)",
    ]
);
