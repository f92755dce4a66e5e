//! What serde says of a body or a query, in the words of JSON instead of those of Rust.

use crate::domain::ids::UUID_FORM;

/// A message of serde in plain words. Where it stands in the text is left out: a pointer says it better.
pub(super) fn words(text: &str) -> String {
    let text = text.rsplit_once(" at line ").map_or(text, |(text, _)| text);
    if text.starts_with("UUID parsing failed") {
        return format!("expected {UUID_FORM}");
    }
    if text.starts_with("invalid digit found in string") {
        return "expected a whole number".to_owned();
    }
    if let Some(rest) = text.strip_prefix("unknown variant ") {
        return format!("unknown word {rest}");
    }
    let Some(rest) = text.strip_prefix("invalid type: ").or_else(|| text.strip_prefix("invalid value: "))
    else {
        return text.to_owned();
    };
    match (rest.rsplit_once(", expected "), rest.strip_prefix("expected ")) {
        (Some((found, wanted)), _) => format!("{}, expected {}", self::found(found), self::wanted(wanted)),
        (None, Some(wanted)) => format!("expected {}", self::wanted(wanted)),
        (None, None) => rest.to_owned(),
    }
}

/// What was sent.
fn found(found: &str) -> String {
    let marked = |kind: &str| found.strip_prefix(kind)?.strip_prefix(" `")?.strip_suffix('`');
    if let Some(number) = marked("integer").or_else(|| marked("floating point")) {
        return format!("the number {number}");
    }
    if let Some(flag) = marked("boolean") {
        return flag.to_owned();
    }
    if let Some(text) = found.strip_prefix("string ") {
        return format!("the text {text}");
    }
    match found {
        "sequence" => "an array",
        "map" => "an object",
        "unit value" | "Option value" | "null" => "null",
        "byte array" => "bytes",
        other => other,
    }
    .to_owned()
}

/// What was to be sent; CBOR names it by its own types.
fn wanted(wanted: &str) -> String {
    match wanted {
        "i8" | "i16" | "i32" | "i64" | "i128" | "isize" => "a whole number",
        "u8" | "u16" | "u32" | "u64" | "u128" | "usize" => "a whole number of 0 or more",
        "f32" | "f64" => "a number",
        "a string" | "a borrowed string" | "string" | "str" => "a text",
        "string or map" | "enum" | "variant identifier" => "a word that the reference lists",
        "a boolean" | "bool" => "true or false",
        "a sequence" | "array" => "an array",
        "a map" | "map" => "an object",
        "unit" => "null",
        "a formatted UUID string" => UUID_FORM,
        other if other.starts_with("struct ") || other.contains("tagged enum ") => "an object",
        other => other,
    }
    .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rust_is_told_in_the_words_of_json() {
        let uuid = format!("expected {UUID_FORM}");
        let told = [
            (
                "invalid type: string \"7\", expected i64 at line 1 column 9",
                "the text \"7\", expected a whole number",
            ),
            (
                "invalid type: floating point `1.5`, expected u64",
                "the number 1.5, expected a whole number of 0 or more",
            ),
            ("invalid type: boolean `true`, expected f64", "true, expected a number"),
            ("invalid type: sequence, expected struct RecordRequest", "an array, expected an object"),
            ("invalid type: map, expected a sequence", "an object, expected an array"),
            ("invalid type: null, expected a string", "null, expected a text"),
            (
                "invalid type: string \"a, expected b\", expected f64",
                "the text \"a, expected b\", expected a number",
            ),
            (
                "invalid type: integer `7`, expected string or map",
                "the number 7, expected a word that the reference lists",
            ),
            ("invalid type: expected str", "expected a text"),
            ("UUID parsing failed: invalid length: found 1", &uuid),
            ("invalid digit found in string", "expected a whole number"),
            (
                "unknown variant `litter`, expected `hours` or `repair`",
                "unknown word `litter`, expected `hours` or `repair`",
            ),
            (
                "unknown field `x`, expected `a` or `b` at line 2 column 3",
                "unknown field `x`, expected `a` or `b`",
            ),
            ("missing field `day`", "missing field `day`"),
            ("something else", "something else"),
        ];
        for (text, plain) in told {
            assert_eq!(words(text), plain, "{text}");
        }
    }
}
