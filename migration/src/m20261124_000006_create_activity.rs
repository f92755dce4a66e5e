//! Activities as accept writes them: state, reading, versions. What is judged of them is another table,
//! so that syncs and the clerk never wait for each other's rows.

crate::sql::migration!(
    &["activity", "activity_version"],
    &[
        "CREATE TABLE activity (
            neighbourhood_id {uuid} NOT NULL,
            id {uuid} NOT NULL,
            daybook_id {uuid} NOT NULL,
            party_id {uuid} NOT NULL,
            state {bytes} NOT NULL,
            reading text NOT NULL,
            version bigint NOT NULL,
            kind text,
            day text,
            programme text,
            conflict text NOT NULL,
            recorded_at_ms bigint NOT NULL,
            received_at_ms bigint NOT NULL,
            changed_at_ms bigint NOT NULL,
            revision bigint NOT NULL,
            PRIMARY KEY (neighbourhood_id, id),
            FOREIGN KEY (neighbourhood_id, daybook_id) REFERENCES daybook (neighbourhood_id, id)
        )",
        "CREATE INDEX activity_received ON activity (neighbourhood_id, received_at_ms, id)",
        "CREATE INDEX activity_party ON activity (neighbourhood_id, party_id, received_at_ms, id)",
        "CREATE INDEX activity_daybook ON activity (neighbourhood_id, daybook_id)",
        "CREATE TABLE activity_version (
            neighbourhood_id {uuid} NOT NULL,
            activity_id {uuid} NOT NULL,
            version bigint NOT NULL,
            daybook_id {uuid} NOT NULL,
            party_id {uuid} NOT NULL,
            reading text NOT NULL,
            reading_hash {bytes} NOT NULL,
            changed text NOT NULL,
            conflict text NOT NULL,
            from_position bigint NOT NULL,
            until_position bigint,
            grant_id {uuid},
            occurred_at_ms bigint,
            recorded_at_ms bigint NOT NULL,
            received_at_ms bigint NOT NULL,
            journal_no bigint,
            PRIMARY KEY (neighbourhood_id, activity_id, version),
            FOREIGN KEY (neighbourhood_id, activity_id) REFERENCES activity (neighbourhood_id, id)
        )",
        "CREATE INDEX activity_version_waiting
            ON activity_version (neighbourhood_id, received_at_ms, daybook_id, from_position)
            WHERE journal_no IS NULL",
        "CREATE INDEX activity_version_waiting_party
            ON activity_version (neighbourhood_id, party_id) WHERE journal_no IS NULL",
    ]
);
