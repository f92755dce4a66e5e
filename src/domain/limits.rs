//! Every limit of the system, in one place, with its unit in its name.

/// A request body as sent, before inflating.
pub const BODY_BYTES_MAX: usize = 8 * 1024 * 1024;
/// A request body after inflating.
pub const BODY_INFLATED_BYTES_MAX: usize = 32 * 1024 * 1024;
/// One Automerge change, raw (design: "The guard").
pub const CHANGE_BYTES_MAX: usize = 1024 * 1024;
/// An Automerge actor id.
pub const ACTOR_BYTES_MAX: usize = 64;
/// Dependencies of one change.
pub const CHANGE_DEPENDENCIES_MAX: usize = 4_096;
/// Operations of one change: at most this, and at most [`CHANGE_OPERATIONS_BASE`] plus one per byte.
pub const CHANGE_OPERATIONS_MAX: u64 = 250_000;
/// See [`CHANGE_OPERATIONS_MAX`].
pub const CHANGE_OPERATIONS_BASE: u64 = 20_000;
/// Predecessors of one change: at most this, and [`CHANGE_PREDECESSORS_PER_OPERATION`] for each operation.
///
/// An operation names the values that it replaces, which are as many as were written to its place without knowing
/// of each other: mostly one, and of each change that may be concurrent ([`CHANGE_DEPENDENCIES_MAX`]) no more than
/// [`CHANGE_VALUES_MAX`]. It is more all the same, since hostile changes may leave that many each in one place, and who
/// writes there next names them all. Each one beyond an operation's first counts as an operation, here and wherever
/// operations are counted.
pub const CHANGE_PREDECESSORS_BASE: u64 = CHANGE_OPERATIONS_BASE;
/// See [`CHANGE_PREDECESSORS_BASE`]; a field with more values than this is not read ([`FIELD_VALUES_MAX`]).
pub const CHANGE_PREDECESSORS_PER_OPERATION: u64 = FIELD_VALUES_MAX as u64;
/// Nesting of objects; the root is 0, an activity's map is 1.
pub const OBJECT_DEPTH_MAX: u32 = 32;
/// Operation counters must stay below this: Automerge panics near 2^32.
pub const OPERATION_COUNTER_MAX: u64 = 1 << 31;
/// Changes of one transaction; what is beyond is deferred.
pub const ACCEPT_CHANGES_MAX: usize = 256;
/// Operations of one transaction; what is beyond is deferred.
pub const ACCEPT_OPERATIONS_MAX: u64 = 250_000;
/// Heads of a daybook before the server adds an empty merge change.
pub const HEADS_MAX: usize = 32;
/// Visible values of one field.
pub const FIELD_VALUES_MAX: usize = 64;
/// Values that one change leaves under one key: as many as a field is read with. Honest ones leave one, since Automerge
/// names what stands there already; only its way to fill a fresh root at once (`init_root_from_hydrate`) names nothing.
pub const CHANGE_VALUES_MAX: usize = FIELD_VALUES_MAX;
/// Characters of a note.
pub const NOTE_CHARACTERS_MAX: usize = 2_000;
/// Characters of any other text field.
pub const TEXT_CHARACTERS_MAX: usize = 2_000;
/// Bytes of an activity as it reads, in JSON; of a larger one only the fields that the API names are read, and where
/// those are more, none. An honest one has some hundreds, with five hundred parties fifty thousand.
pub const READING_BYTES_MAX: usize = 256 * 1024;
/// Minutes of one party in one activity: a day.
pub const PARTY_MINUTES_MAX: i64 = 1_440;
/// Ranges of operations that one transaction looks up one by one, sixteen in a statement: 64 statements. Operations
/// alone do not bound them: 250,000 that each name another element would make 15,000 statements under the daybook's
/// lock. Where there are more, the spans of all its changes are gone through ([`LOOK_UP_SPANS_MAX`]).
pub const LOOK_UP_RANGES_MAX: usize = 1_024;
/// Spans of operations that one statement reads. With [`LOOK_UP_ROWS_MAX`] a daybook of 100,000 changes is gone
/// through in 11 statements, and in 250 more if every single one of its changes is named.
pub const LOOK_UP_SPANS_MAX: u64 = 10_000;
/// Rows of changes that one statement reads for what is kept of their operations.
pub const LOOK_UP_ROWS_MAX: usize = 400;
/// Operations of one daybook beyond one per byte accepted in it; more are held (design: "Budgets").
pub const DAYBOOK_OPERATIONS_BASE: u64 = 250_000;
/// Chunks of one daybook that one request decodes; what is beyond is deferred.
pub const REQUEST_CHUNKS_MAX: usize = 512;
/// Operations that one request decodes, over all its daybooks; what is beyond is deferred. A dependency counts
/// as [`DEPENDENCY_OPERATIONS`].
pub const REQUEST_OPERATIONS_MAX: u64 = 250_000;
/// What looking up one dependency weighs, in operations.
pub const DEPENDENCY_OPERATIONS: u64 = 8;
/// Bytes of deflated changes that one request inflates; what is beyond is deferred.
pub const REQUEST_INFLATED_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Chunks of one daybook in one request, known ones included; the rest of the entry is deferred as one.
pub const REQUEST_ENTRIES_CHUNKS_MAX: usize = 100_000;
/// Chunks of one daybook in one request that are refused one by one; what follows is deferred.
pub const REQUEST_REFUSED_MAX: usize = 4_096;
/// Operations up to which a push does not queue behind other heavy ones.
pub const LIGHT_OPERATIONS_MAX: u64 = 10_000;
/// Bytes of a daybook's changes in one request, none of them deflated, up to which they are looked at right
/// where the request is answered: less than the hop to another thread would cost.
pub const INLINE_BYTES_MAX: usize = 16 * 1024;
/// And operations up to which they are decoded there.
pub const INLINE_OPERATIONS_MAX: u64 = 1_000;
/// Bytes of changes that one grant may push at once, each operation counting as a byte; per replica.
pub const GRANT_BYTES_BURST: u64 = 64 * 1024 * 1024;
/// And how fast that fills again, per hour.
pub const GRANT_BYTES_PER_HOUR: u64 = 64 * 1024 * 1024;
/// What one chunk weighs in that budget beside its bytes: it may become a row.
pub const CHUNK_BYTES: usize = 256;
/// All grants of one party push together as much as so many of them, however many there are; per replica.
pub const PARTY_GRANTS: u64 = 8;
/// Bytes of one activity, its state and what it reads as, that a push rewrites for nothing; what is beyond costs the
/// budget of [`GRANT_BYTES_BURST`], since a few bytes may change an activity of megabytes again and again. An honest one
/// has a few thousand. Each activity beyond one for each change costs [`CHUNK_BYTES`] as well: it is a row.
pub const ACTIVITY_BYTES_FREE: usize = 16 * 1024;
/// Bytes of what is kept of earlier changes that a push has read for nothing: of each the changes that it is built on,
/// and where its operations work. What is beyond costs the same budget: whoever never builds on a change that is there
/// has all that came after it read again with each push. A backlog of two thousand records reads about as much.
pub const FACTS_BYTES_FREE: u64 = 256 * 1024;
/// Personal tokens of one party that are in force.
pub const PERSONAL_GRANTS_MAX: u64 = 200;
/// Changes held for one daybook.
pub const HELD_CHANGES_MAX: u64 = 10_000;
/// Bytes held for one daybook.
pub const HELD_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// Changes held for one daybook up to which those of people who have left its group are held as well: they must not
/// take all the room of those who are in it.
pub const HELD_LEFT_CHANGES_MAX: u64 = 5_000;
/// And bytes held.
pub const HELD_LEFT_BYTES_MAX: u64 = 8 * 1024 * 1024;
/// Days after the last of a membership in which what the former member sends into the group's daybooks is held.
pub const LEFT_GROUP_DAYS: u64 = 30;
/// How long a change is held before its resident is given notice.
pub const HELD_NOTICE_AFTER_MS: i64 = 30 * 24 * 3_600_000;
/// How long it is still held from the notice on.
pub const HELD_NOTICE_MS: i64 = 14 * 24 * 3_600_000;
/// Operations of held changes that one transaction looks at again; the rest has its turn right after it.
pub const HELD_TAKEN_OPERATIONS_MAX: u64 = 50_000;
/// Held changes that one transaction looks at again.
pub const HELD_TAKEN_CHANGES_MAX: usize = 512;
/// Held changes that expire in one transaction.
pub const HELD_EXPIRED_MAX: u64 = 256;
/// Missing dependencies of a held change that are shown.
pub const HELD_MISSING_SHOWN_MAX: usize = 32;
/// Refused changes of one daybook that are kept with their bytes; beyond it only hash and reason are kept.
pub const QUARANTINE_CHANGES_MAX: u64 = 10_000;
/// Refused changes of one daybook of which hash and reason are kept; beyond it they are only answered.
pub const QUARANTINE_HASHES_MAX: u64 = 20_000;
/// Refused bytes kept in quarantine for one daybook; beyond it only hash and reason are kept.
pub const QUARANTINE_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// Daybooks of one sync request.
pub const SYNC_DAYBOOKS_MAX: usize = 64;
/// People of one sync request.
pub const SYNC_PARTIES_MAX: usize = 500;
/// Entries of `changes` of one daybook in one request.
pub const SYNC_ENTRIES_MAX: usize = 10_000;
/// Default and greatest size of the changes of one answer.
pub const SYNC_ANSWER_BYTES_DEFAULT: u64 = 1024 * 1024;
/// See [`SYNC_ANSWER_BYTES_DEFAULT`].
pub const SYNC_ANSWER_BYTES_MAX: u64 = 8 * 1024 * 1024;
/// Bytes of changes that one read for an answer takes at least, however little room is left: what a phone has sent
/// itself takes no room, and is read by these. A read never takes more than this, or the room that is left, and one
/// change.
pub const SYNC_READ_BYTES_MIN: u64 = 256 * 1024;
/// What a person met weighs in the budget of [`GRANT_BYTES_BURST`], if nobody knew them yet: about a row with a long
/// name and its indexes. Two hundred people met on one day are three thousandths of it.
pub const MET_PARTY_BYTES: usize = 1024;
/// Bytes of a download that are read at once; who takes them slowly holds no more of them.
pub const DOWNLOAD_PART_BYTES: u64 = 1024 * 1024;
/// Verdicts of one answer.
pub const SYNC_VERDICTS_MAX: u64 = 500;
/// Items of a batch.
pub const BATCH_ITEMS_MAX: usize = 100;
/// Rows that one page of a narrowed list looks at.
pub const PAGE_ROWS_LOOKED_AT: u64 = 1_000;
/// How long a cursor of events is good for: 30 days.
pub const EVENTS_LIFE_MS: i64 = 30 * 24 * 60 * 60 * 1_000;
/// Streams of events that one grant has open on one replica at a time.
pub const STREAMS_PER_GRANT_MAX: usize = 8;
/// Characters of a field's name in an edit: longer than any key is; what is longer is cut off where it is named.
pub const EDIT_NAME_CHARACTERS_SHOWN: usize = 300;
/// Fields of one edit.
pub const EDIT_FIELDS_MAX: usize = 200;
/// Items of a page by default, and at most.
pub const PAGE_ITEMS_DEFAULT: u64 = 50;
/// See [`PAGE_ITEMS_DEFAULT`].
pub const PAGE_ITEMS_MAX: u64 = 200;
/// Characters of a name of a party, device or grant.
pub const NAME_CHARACTERS_MAX: usize = 200;
/// Characters of a reason.
pub const REASON_CHARACTERS_MAX: usize = 1_000;
/// People who may look after one minor.
pub const SUPERVISORS_MAX: usize = 10;
/// Decisions, the last ones, among which the share of automatic approvals is counted.
pub const SHARE_DECISIONS_MAX: u64 = 5_000;
/// How often it is looked whether that share has drifted, at most, in a neighbourhood where something is judged.
pub const SHARE_LOOK_MS: i64 = 60 * 60 * 1_000;
/// Characters of a reply.
pub const REPLY_CHARACTERS_MAX: usize = 1_000;
/// Replies about one activity.
pub const REPLIES_MAX: i64 = 100;
/// Parties that one record names; with more it waits for a person, who asks for `people` and `person_minutes` instead.
pub const PARTIES_MAX: usize = 500;
/// People who hear of somebody else's record. Whom it names, [`PARTIES_MAX`] at most, all hear of it, and so does everybody
/// whom its lines credit; this bounds those who hear of it only by what was merged into it, those with the least ids first.
pub const NAMED_PARTIES_MAX: usize = PARTIES_MAX;
/// People whom one record may have concerned, one after the other, and who are remembered: beyond, those are forgotten whom
/// it has not concerned for longest. Whom it concerns now is never forgotten.
pub const NAMED_EVER_MAX: usize = 2_000;
/// Fields that one decision settles.
pub const SETTLEMENTS_MAX: usize = 100;
/// Activities that one merge puts into another.
pub const MERGE_MEMBERS_MAX: usize = 20;
/// Records that leave one trace (near one place on one day, one person's on one day) and are compared with a new
/// one. Where more do, a person looks at it.
pub const TRACE_ACTIVITIES_MAX: usize = 200;
/// Coordinators look once a week: so long what waits for them may wait.
pub const ANSWER_MS: i64 = 7 * 24 * 60 * 60 * 1_000;
/// Sums of one answer.
pub const TOTALS_MAX: u64 = 10_000;
/// Milliseconds that a device's clock has to be off before that is kept.
pub const SKEW_MS_MIN: u64 = 60_000;
/// Versions, the last that were taken up, over which rules are run dry.
pub const DRY_RUN_VERSIONS: u64 = 500;
/// Open suspicions about one record up to which rules raise further ones: who has to look has enough to go by.
pub const SUSPICIONS_OPEN_MAX: usize = 16;
/// Activities in need of a person that one look at the cards gathers: those that wait longest.
pub const CARDS_ACTIVITIES_MAX: u64 = 2_000;
/// Activities in need of a person up to which all of them are counted.
pub const CARDS_WAITING_MAX: u64 = 100_000;
/// How long a card is somebody's who took it, unless they take it again.
pub const CARD_LEASE_MS: i64 = 10 * 60 * 1_000;
/// Versions that the clerk takes up in one transaction.
pub const CLERK_VERSIONS_MAX: u64 = 128;
/// Raw bytes of changes that the first snapshot of a daybook takes, and the least that a further one takes.
pub const COMPACT_RAW_BYTES_MIN: i64 = 64 * 1024;
/// A further snapshot also takes one part in so many of all raw bytes: what a change costs in compactions stays
/// the same however old the daybook is, and however small its snapshot.
pub const COMPACT_RAW_PART: i64 = 4;
/// The newest changes keep their own bytes beside a snapshot, up to one part in so many of its size.
pub const COMPACT_KEPT_PART: usize = 4;
/// Changes whose bytes one transaction lets go of: it holds the daybook, and on SQLite the writer.
pub const COMPACT_CHANGES_MAX: i64 = 500;
/// Memory of a loaded document, an operation and a change: measured with automerge 0.12, on documents of 100 and
/// 1,000 activities (126 KB and 1.7 MB, of 3,290 and 33,890 operations).
pub const DOCUMENT_OPERATION_BYTES: u64 = 48;
/// See [`DOCUMENT_OPERATION_BYTES`].
pub const DOCUMENT_CHANGE_BYTES: u64 = 256;
/// Memory that loading a document takes at its peak, in sizes of the loaded document.
pub const DOCUMENT_LOAD_FACTOR: u64 = 12;
/// Memory that all loads of one process may take at their peak; one that takes more is alone, and compaction
/// takes half of it at most.
pub const DOCUMENT_LOADS_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// Memory that a compaction may take at its peak, as [`DOCUMENT_LOAD_FACTOR`] says, which is about twice what it
/// takes; of a daybook that needs more (some 50,000 activities) all changes are kept as they came, and its alarm says
/// so: it must not take the process down, and again after each restart. Nor is its document loaded for a push or an
/// edit: a text of an earlier push that is edited there is unreadable until it is written anew.
pub const COMPACT_LOAD_BYTES_MAX: u64 = 1024 * 1024 * 1024;
/// A document that took more bytes of changes than this, one by one, is not kept in memory: it stays as large as
/// the load was.
pub const DOCUMENT_RECEIVED_BYTES_MAX: u64 = 256 * 1024;
/// Loaded documents that one process remembers, in bytes, if it is not configured.
pub const DOCUMENT_CACHE_BYTES_DEFAULT: u64 = 64 * 1024 * 1024;
/// How far ahead of the machine's clock that of a sandbox can be moved: ten years.
pub const SANDBOX_AHEAD_MS_MAX: i64 = 3_653 * 24 * 60 * 60 * 1_000;
