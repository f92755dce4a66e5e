//! The ledger: accounts, transfers, the journal that numbers everything judged, and its tip.

crate::sql::migration!(
    &["tip", "journal", "account", "transfer"],
    &[
        "CREATE TABLE tip (
            neighbourhood_id {uuid} NOT NULL,
            journal_no bigint NOT NULL,
            chain {bytes} NOT NULL,
            posted_at_ms bigint NOT NULL,
            contribution bigint NOT NULL,
            credit bigint NOT NULL,
            PRIMARY KEY (neighbourhood_id),
            FOREIGN KEY (neighbourhood_id) REFERENCES neighbourhood (neighbourhood_id)
        )",
        "CREATE TABLE journal (
            neighbourhood_id {uuid} NOT NULL,
            no bigint NOT NULL,
            kind text NOT NULL,
            subject_id {uuid} NOT NULL,
            activity_id {uuid},
            at_ms bigint NOT NULL,
            body text NOT NULL,
            salt {bytes} NOT NULL,
            commitment {bytes} NOT NULL,
            chain {bytes} NOT NULL,
            PRIMARY KEY (neighbourhood_id, no),
            FOREIGN KEY (neighbourhood_id) REFERENCES neighbourhood (neighbourhood_id)
        )",
        "CREATE TABLE account (
            neighbourhood_id {uuid} NOT NULL,
            id {uuid} NOT NULL,
            kind text NOT NULL,
            contribution bigint NOT NULL,
            credit bigint NOT NULL,
            created_at_ms bigint NOT NULL,
            PRIMARY KEY (neighbourhood_id, id),
            FOREIGN KEY (neighbourhood_id) REFERENCES neighbourhood (neighbourhood_id)
        )",
        "CREATE TABLE transfer (
            neighbourhood_id {uuid} NOT NULL,
            id {uuid} NOT NULL,
            activity_id {uuid} NOT NULL,
            posting_seq bigint NOT NULL,
            line_no bigint NOT NULL,
            account_id {uuid} NOT NULL,
            asset text NOT NULL,
            minutes bigint NOT NULL,
            balance_after bigint NOT NULL,
            kind text NOT NULL,
            phase text NOT NULL,
            programme text,
            place text,
            day text NOT NULL,
            capacity text NOT NULL,
            journal_no bigint NOT NULL,
            posted_at_ms bigint NOT NULL,
            PRIMARY KEY (neighbourhood_id, id),
            UNIQUE (neighbourhood_id, activity_id, posting_seq, line_no),
            UNIQUE (neighbourhood_id, account_id, asset, journal_no),
            FOREIGN KEY (neighbourhood_id, account_id) REFERENCES account (neighbourhood_id, id)
        )",
        "CREATE INDEX transfer_day ON transfer (neighbourhood_id, account_id, day)",
    ]
);
