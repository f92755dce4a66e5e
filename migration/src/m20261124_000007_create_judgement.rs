//! What is judged of an activity, and the decisions that people and rules made.

crate::sql::migration!(
    &["judgement", "decision"],
    &[
        "CREATE TABLE judgement (
            neighbourhood_id {uuid} NOT NULL,
            activity_id {uuid} NOT NULL,
            daybook_id {uuid} NOT NULL,
            party_id {uuid} NOT NULL,
            body text NOT NULL,
            review text NOT NULL,
            judged_version bigint NOT NULL,
            decision_seq bigint NOT NULL,
            posting_seq bigint NOT NULL,
            part_of {uuid},
            minutes bigint NOT NULL,
            reason_code text,
            reason_text text,
            journal_no bigint NOT NULL,
            judged_at_ms bigint NOT NULL,
            due_at_ms bigint,
            revision bigint NOT NULL,
            PRIMARY KEY (neighbourhood_id, activity_id),
            FOREIGN KEY (neighbourhood_id, activity_id) REFERENCES activity (neighbourhood_id, id)
        )",
        "CREATE INDEX judgement_verdicts ON judgement (neighbourhood_id, party_id, journal_no)",
        "CREATE INDEX judgement_part_of ON judgement (neighbourhood_id, part_of)",
        "CREATE INDEX judgement_due ON judgement (neighbourhood_id, due_at_ms) WHERE due_at_ms IS NOT NULL",
        "CREATE TABLE decision (
            neighbourhood_id {uuid} NOT NULL,
            id {uuid} NOT NULL,
            activity_id {uuid} NOT NULL,
            version bigint NOT NULL,
            seq bigint NOT NULL,
            step text NOT NULL,
            decided_by {uuid},
            pack_version bigint,
            reason text,
            request_hash {bytes},
            body text NOT NULL,
            journal_no bigint NOT NULL,
            decided_at_ms bigint NOT NULL,
            PRIMARY KEY (neighbourhood_id, id),
            UNIQUE (neighbourhood_id, activity_id, seq),
            FOREIGN KEY (neighbourhood_id, activity_id) REFERENCES activity (neighbourhood_id, id)
        )",
        "CREATE INDEX decision_journal ON decision (neighbourhood_id, journal_no)",
    ]
);
