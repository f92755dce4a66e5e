//! Bytes that no honest client makes: bombs of run-lengths and of deflate, built by hand.

use sha2::{Digest as _, Sha256};

const MAGIC: [u8; 4] = [0x85, 0x6f, 0x4a, 0x83];
const CHANGE: u8 = 1;
const DEFLATED: u8 = 2;

pub fn leb(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let byte = u8::try_from(value & 0x7f).expect("seven bits");
        value >>= 7;
        if value == 0 {
            bytes.push(byte);
            return bytes;
        }
        bytes.push(byte | 0x80);
    }
}

/// A signed run-length that is positive.
fn run(length: u64) -> Vec<u8> {
    let mut bytes = leb(length);
    if bytes.last().is_some_and(|last| last & 0x40 != 0) {
        *bytes.last_mut().expect("a byte") |= 0x80;
        bytes.push(0);
    }
    bytes
}

/// A chunk of any type with the checksum that a change of this body has.
pub fn chunk(kind: u8, data: &[u8]) -> Vec<u8> {
    let hashed = [&[CHANGE], leb(u64::try_from(data.len()).expect("small")).as_slice(), data].concat();
    let checksum = &Sha256::digest(hashed)[..4];
    let length = leb(u64::try_from(data.len()).expect("small"));
    [MAGIC.as_slice(), checksum, &[kind], &length, data].concat()
}

/// The body of a change that has nothing but these columns.
fn body(actor: &[u8], deps: &[[u8; 32]], start_op: u64, columns: &[(u8, Vec<u8>)]) -> Vec<u8> {
    body_with(actor, &[], deps, start_op, columns)
}

/// The same of a change whose operations name those of other actors.
fn body_with(
    actor: &[u8],
    others: &[[u8; 16]],
    deps: &[[u8; 32]],
    start_op: u64,
    columns: &[(u8, Vec<u8>)],
) -> Vec<u8> {
    let mut body = leb(u64::try_from(deps.len()).expect("small"));
    deps.iter().for_each(|dep| body.extend(dep));
    body.extend(leb(u64::try_from(actor.len()).expect("small")));
    body.extend(actor);
    body.push(1);
    body.extend(leb(start_op));
    body.extend([0, 0]);
    body.extend(leb(u64::try_from(others.len()).expect("small")));
    for other in others {
        body.extend(leb(u64::try_from(other.len()).expect("small")));
        body.extend(other);
    }
    body.extend(leb(u64::try_from(columns.len()).expect("small")));
    for (spec, data) in columns {
        body.push(*spec);
        body.extend(leb(u64::try_from(data.len()).expect("small")));
    }
    columns.iter().for_each(|(_, data)| body.extend(data));
    body
}

/// So many puts of null under one key of the root, three at least, each in the place of the one before, in some seventy
/// bytes.
pub fn nulls(actor: &[u8], count: u64) -> Vec<u8> {
    let mut columns = puts(count);
    columns.push((0x70, [vec![0x7f, 0], run(count - 1), vec![1]].concat()));
    columns.push((0x71, [run(count - 1), vec![0]].concat()));
    columns.push((0x73, [run(count - 1), vec![1]].concat()));
    chunk(CHANGE, &body(actor, &[], 1, &columns))
}

/// The same with none of them in the place of another.
pub fn crowd(actor: &[u8], count: u64) -> Vec<u8> {
    let mut columns = puts(count);
    columns.push((0x70, [run(count), vec![0]].concat()));
    chunk(CHANGE, &body(actor, &[], 1, &columns))
}

/// All columns but what the operations replace.
fn puts(count: u64) -> Vec<(u8, Vec<u8>)> {
    let key = [run(count), vec![1, b'k']].concat();
    let one = [run(count), vec![1]].concat();
    let none = [run(count), vec![0]].concat();
    vec![(0x15, key), (0x34, leb(count)), (0x42, one), (0x56, none)]
}

/// One deletion of a key of the root that names so many operations, two at least, of an actor that nobody has. They
/// are seventeen apart: each is looked up by itself, and all of it is some 85 bytes.
pub fn naming(actor: &[u8], count: u64) -> Vec<u8> {
    let columns = [
        (0x15, vec![0x7f, 1, b'k']),
        (0x34, vec![1]),
        (0x42, vec![0x7f, 3]),
        (0x56, vec![0x7f, 0]),
        (0x70, [vec![0x7f], leb(count)].concat()),
        (0x71, [run(count), vec![1]].concat()),
        (0x73, [run(count), vec![17]].concat()),
    ];
    // Another one for each actor, so that nothing is asked for twice.
    let mut nobody = [0xee; 16];
    nobody[..4].copy_from_slice(&actor[..4]);
    chunk(CHANGE, &body_with(actor, &[nobody], &[], 1, &columns))
}

/// An empty change on top of so many changes that nobody has.
pub fn orphan(actor: &[u8], deps: u32) -> Vec<u8> {
    let mut named: Vec<[u8; 32]> = (0..deps)
        .map(|at| {
            let mut hash = [0; 32];
            hash[..4].copy_from_slice(&at.to_be_bytes());
            hash[4..8].copy_from_slice(&actor[..4]);
            hash
        })
        .collect();
    named.sort_unstable();
    chunk(CHANGE, &body(actor, &named, 1, &[]))
}

/// An empty change whose operations would start here.
pub fn starting_at(start_op: u64) -> Vec<u8> {
    chunk(CHANGE, &body(&[7; 16], &[], start_op, &[]))
}

/// A deflated change that inflates to so many bytes of one letter: one literal, then copies of 258 bytes in
/// 13 bits each (RFC 1951, fixed codes).
pub fn deflate_bomb(bytes: u64) -> Vec<u8> {
    let mut bits = Bits::default();
    bits.push(0b011, 3); // last block, fixed codes
    bits.push_code(0x30 + u32::from(b'a'), 8);
    for _ in 0..bytes / 258 {
        bits.push_code(0b1100_0101, 8); // length 258
        bits.push_code(0, 5); // distance 1
    }
    bits.push_code(0, 7); // end
    chunk(DEFLATED, &bits.done())
}

#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    current: u32,
    count: u32,
}

impl Bits {
    /// Least significant bit first.
    fn push(&mut self, value: u32, count: u32) {
        for at in 0..count {
            self.current |= ((value >> at) & 1) << self.count;
            self.count += 1;
            if self.count == 8 {
                self.bytes.push(u8::try_from(self.current).expect("eight bits"));
                (self.current, self.count) = (0, 0);
            }
        }
    }

    /// Huffman codes go most significant bit first.
    fn push_code(&mut self, code: u32, count: u32) {
        (0..count).rev().for_each(|at| self.push(code >> at, 1));
    }

    fn done(mut self) -> Vec<u8> {
        while self.count > 0 {
            self.push(0, 1);
        }
        self.bytes
    }
}
