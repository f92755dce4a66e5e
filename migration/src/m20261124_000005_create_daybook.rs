//! Daybooks and their changes: testimony, the ground state of everything else.

crate::sql::migration!(
    &["daybook", "daybook_change", "held_change", "refused_change"],
    &[
        "CREATE TABLE daybook (
            neighbourhood_id {uuid} NOT NULL,
            id {uuid} NOT NULL,
            party_id {uuid} NOT NULL,
            position bigint NOT NULL,
            chain {bytes} NOT NULL,
            heads {bytes} NOT NULL,
            max_op bigint NOT NULL,
            operations bigint NOT NULL,
            raw_bytes bigint NOT NULL,
            revision bigint NOT NULL,
            gone_at_ms bigint,
            created_at_ms bigint NOT NULL,
            PRIMARY KEY (neighbourhood_id, id),
            FOREIGN KEY (neighbourhood_id, party_id) REFERENCES party (neighbourhood_id, id)
        )",
        "CREATE INDEX daybook_party ON daybook (neighbourhood_id, party_id)",
        "CREATE TABLE daybook_change (
            neighbourhood_id {uuid} NOT NULL,
            daybook_id {uuid} NOT NULL,
            position bigint NOT NULL,
            hash {bytes} NOT NULL,
            actor {bytes} NOT NULL,
            seq bigint NOT NULL,
            start_op bigint NOT NULL,
            max_op bigint NOT NULL,
            chain {bytes} NOT NULL,
            bytes {bytes} NOT NULL,
            objects {bytes} NOT NULL,
            recorded_at_ms bigint NOT NULL,
            grant_id {uuid},
            received_at_ms bigint NOT NULL,
            accept_no bigint NOT NULL,
            admitted_grant_id {uuid},
            admitted_at_ms bigint NOT NULL,
            PRIMARY KEY (neighbourhood_id, daybook_id, position),
            UNIQUE (neighbourhood_id, daybook_id, hash),
            UNIQUE (neighbourhood_id, daybook_id, actor, seq),
            FOREIGN KEY (neighbourhood_id, daybook_id) REFERENCES daybook (neighbourhood_id, id)
        )",
        "CREATE INDEX daybook_change_operations
            ON daybook_change (neighbourhood_id, daybook_id, actor, start_op)",
        "CREATE TABLE held_change (
            neighbourhood_id {uuid} NOT NULL,
            daybook_id {uuid} NOT NULL,
            hash {bytes} NOT NULL,
            reason text NOT NULL,
            bytes {bytes} NOT NULL,
            bytes_count bigint NOT NULL,
            grant_id {uuid},
            received_at_ms bigint NOT NULL,
            PRIMARY KEY (neighbourhood_id, daybook_id, hash),
            FOREIGN KEY (neighbourhood_id, daybook_id) REFERENCES daybook (neighbourhood_id, id)
        )",
        "CREATE TABLE refused_change (
            neighbourhood_id {uuid} NOT NULL,
            daybook_id {uuid} NOT NULL,
            hash {bytes} NOT NULL,
            code text NOT NULL,
            detail text NOT NULL,
            bytes {bytes},
            bytes_count bigint NOT NULL,
            grant_id {uuid},
            received_at_ms bigint NOT NULL,
            PRIMARY KEY (neighbourhood_id, daybook_id, hash),
            FOREIGN KEY (neighbourhood_id, daybook_id) REFERENCES daybook (neighbourhood_id, id)
        )",
    ]
);
