//! Who contributes: parties, the ids that became aliases of them, their roles and memberships.

crate::sql::migration!(
    &["party", "party_alias", "party_role", "membership"],
    &[
        "CREATE TABLE party (
            neighbourhood_id {uuid} NOT NULL,
            id {uuid} NOT NULL,
            kind text NOT NULL,
            sector text NOT NULL,
            name text NOT NULL,
            known {flag} NOT NULL,
            created_at_ms bigint NOT NULL,
            revision bigint NOT NULL,
            PRIMARY KEY (neighbourhood_id, id),
            FOREIGN KEY (neighbourhood_id) REFERENCES neighbourhood (neighbourhood_id)
        )",
        "CREATE TABLE party_alias (
            neighbourhood_id {uuid} NOT NULL,
            alias_id {uuid} NOT NULL,
            party_id {uuid} NOT NULL,
            created_at_ms bigint NOT NULL,
            PRIMARY KEY (neighbourhood_id, alias_id),
            FOREIGN KEY (neighbourhood_id, party_id) REFERENCES party (neighbourhood_id, id)
        )",
        "CREATE TABLE party_role (
            neighbourhood_id {uuid} NOT NULL,
            party_id {uuid} NOT NULL,
            role text NOT NULL,
            created_at_ms bigint NOT NULL,
            PRIMARY KEY (neighbourhood_id, party_id, role),
            FOREIGN KEY (neighbourhood_id, party_id) REFERENCES party (neighbourhood_id, id)
        )",
        "CREATE TABLE membership (
            neighbourhood_id {uuid} NOT NULL,
            group_id {uuid} NOT NULL,
            member_id {uuid} NOT NULL,
            capacity text NOT NULL,
            from_day text NOT NULL,
            until_day text,
            PRIMARY KEY (neighbourhood_id, group_id, member_id),
            FOREIGN KEY (neighbourhood_id, group_id) REFERENCES party (neighbourhood_id, id),
            FOREIGN KEY (neighbourhood_id, member_id) REFERENCES party (neighbourhood_id, id)
        )",
        "CREATE INDEX membership_member ON membership (neighbourhood_id, member_id)",
    ]
);
