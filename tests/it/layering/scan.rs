//! Just enough of a Rust reader to see which paths a file names: comments and literals blanked, `use` groups
//! unfolded, `super::` resolved as far as the crate's root.

/// One source file.
pub struct Source {
    /// From the repository's root, with `/`.
    pub path: String,
    /// As it stands.
    pub raw: String,
    /// The same with comments and the insides of literals blanked; lines stay where they are.
    pub code: String,
}

/// A path named in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// From 1.
    pub line: usize,
    /// Joined with `::`; for `crate::…` and `super::…` without that first part.
    pub path: String,
}

#[derive(Debug, Clone, PartialEq)]
struct Token<'a> {
    line: usize,
    text: &'a str,
}

impl Source {
    pub fn new(path: &str, raw: &str) -> Self {
        Self { path: path.to_owned(), raw: raw.to_owned(), code: blank(raw) }
    }

    /// The module under `src/` that the file belongs to: `store` for `src/store/keys.rs`, `app` for
    /// `src/app.rs`.
    pub fn module(&self) -> Option<&str> {
        let inside = self.path.strip_prefix("src/")?;
        inside.split('/').next()?.split('.').next()
    }

    /// Whether the whole file is test code, by its name.
    pub fn is_test(&self) -> bool {
        let stem = self.path.rsplit('/').next().unwrap_or_default().trim_end_matches(".rs");
        stem == "tests" || stem == "testing" || stem.ends_with("_tests") || self.path.contains("/tests/")
    }

    /// The code without items under `#[cfg(test)]`, lines unmoved; empty for a test file.
    pub fn shipped(&self) -> String {
        if self.is_test() { String::new() } else { without_test_items(&self.code) }
    }

    /// Every path from the crate's root, by whatever spelling.
    pub fn own_paths(&self) -> Vec<Named> {
        let tokens = tokens(&self.code);
        let mut braces: Vec<bool> = Vec::new();
        let mut found = Vec::new();
        for at in 0..tokens.len() {
            match tokens[at].text {
                "{" => braces.push(at >= 2 && tokens[at - 2].text == "mod"),
                "}" => drop(braces.pop()),
                _ => {}
            }
            let depth = self.depth() + braces.iter().filter(|is_module| **is_module).count();
            if let Some(start) = after_root(&tokens, at, depth) {
                unfold(&tokens, start, "", &mut found);
            }
        }
        found
    }

    /// Every path in `code` (a view of this file) that starts with one of `roots`.
    pub fn paths_from(code: &str, roots: &[&str]) -> Vec<Named> {
        let tokens = tokens(code);
        let mut found = Vec::new();
        for (at, token) in tokens.iter().enumerate() {
            let inner = at > 0 && matches!(tokens[at - 1].text, "::" | ".");
            // `::name` from the start of a path is a root too.
            let inner = inner && (at < 2 || is_word(tokens[at - 2].text) || tokens[at - 2].text == ">");
            if roots.contains(&token.text) && !inner && text(&tokens, at + 1) == "::" {
                unfold(&tokens, at, "", &mut found);
            }
        }
        found
    }

    /// How many modules deep the file is: 0 for `lib.rs`, 1 for `app.rs` and `store/mod.rs`.
    fn depth(&self) -> usize {
        let inside = self.path.trim_start_matches("src/").trim_end_matches(".rs");
        let parts: Vec<&str> = inside.split('/').collect();
        match parts.last() {
            Some(&"lib" | &"main") if parts.len() == 1 => 0,
            Some(&"mod") => parts.len() - 1,
            // `#[path = "keys_tests.rs"] mod tests;` stands inside `keys`.
            Some(last) if last.ends_with("_tests") => parts.len() + 1,
            _ => parts.len(),
        }
    }
}

/// Where the rest of a path begins that starts at `at` and leads to the crate's root from `depth` modules down.
fn after_root(tokens: &[Token<'_>], at: usize, depth: usize) -> Option<usize> {
    if text(tokens, at) == "crate" && text(tokens, at + 1) == "::" {
        return Some(at + 2);
    }
    let mut end = at;
    while text(tokens, end) == "super" && text(tokens, end + 1) == "::" {
        end += 2;
    }
    let starts_a_path = at == 0 || tokens[at - 1].text != "::";
    (end > at && starts_a_path && (end - at) / 2 >= depth).then_some(end)
}

/// Adds the path, or each path of the group, that begins at `at`; answers where it ends.
fn unfold(tokens: &[Token<'_>], at: usize, prefix: &str, found: &mut Vec<Named>) -> usize {
    let Some(token) = tokens.get(at) else { return at };
    match token.text {
        "{" => {
            let mut next = at + 1;
            while next < tokens.len() && tokens[next].text != "}" {
                let after = unfold(tokens, next, prefix, found);
                next = if after == next { next + 1 } else { after };
            }
            next + 1
        }
        word if is_word(word) || word == "*" => {
            let path = if prefix.is_empty() { word.to_owned() } else { format!("{prefix}::{word}") };
            let goes_on = text(tokens, at + 1) == "::"
                && (is_word(text(tokens, at + 2)) || matches!(text(tokens, at + 2), "{" | "*"));
            if goes_on {
                return unfold(tokens, at + 2, &path, found);
            }
            found.push(Named { line: token.line, path });
            // `as name` names nothing further.
            if text(tokens, at + 1) == "as" { at + 3 } else { at + 1 }
        }
        _ => at,
    }
}

fn text<'a>(tokens: &[Token<'a>], at: usize) -> &'a str {
    tokens.get(at).map_or("", |token| token.text)
}

fn is_word(text: &str) -> bool {
    text.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

fn tokens(code: &str) -> Vec<Token<'_>> {
    let mut found = Vec::new();
    for (index, row) in code.lines().enumerate() {
        let mut rest = row.trim_start();
        while let Some(first) = rest.chars().next() {
            let length = if is_word(rest) {
                rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len())
            } else if rest.starts_with("::") {
                2
            } else {
                first.len_utf8()
            };
            found.push(Token { line: index + 1, text: &rest[..length] });
            rest = rest[length..].trim_start();
        }
    }
    found
}

/// Blanks comments and what stands inside of string and character literals.
fn blank(raw: &str) -> String {
    let chars: Vec<char> = raw.chars().collect();
    let mut out = String::with_capacity(raw.len());
    let mut at = 0;
    while at < chars.len() {
        let end = literal_or_comment_end(&chars, at);
        if end == at {
            out.push(chars[at]);
            at += 1;
        } else {
            out.extend(chars[at..end].iter().map(|c| if *c == '\n' { '\n' } else { ' ' }));
            at = end;
        }
    }
    out
}

/// Where the comment or literal that starts at `at` ends; `at` if none starts there.
fn literal_or_comment_end(chars: &[char], at: usize) -> usize {
    let next = chars.get(at + 1).copied();
    let after_word = at > 0 && (chars[at - 1].is_alphanumeric() || chars[at - 1] == '_');
    match chars[at] {
        '/' if next == Some('/') => line_end(chars, at),
        '/' if next == Some('*') => block_comment_end(chars, at),
        '"' => quoted_end(chars, at + 1, '"'),
        'r' | 'b' | 'c' if !after_word => prefixed_end(chars, at),
        '\'' if next == Some('\\') => quoted_end(chars, at + 1, '\''),
        '\'' if chars.get(at + 2) == Some(&'\'') => at + 3,
        _ => at,
    }
}

fn line_end(chars: &[char], at: usize) -> usize {
    chars[at..].iter().position(|c| *c == '\n').map_or(chars.len(), |length| at + length)
}

fn block_comment_end(chars: &[char], at: usize) -> usize {
    let mut open = 0_usize;
    let mut end = at;
    while end < chars.len() {
        match (chars[end], chars.get(end + 1)) {
            ('/', Some('*')) => (open, end) = (open + 1, end + 2),
            ('*', Some('/')) => (open, end) = (open - 1, end + 2),
            _ => end += 1,
        }
        if open == 0 {
            break;
        }
    }
    end
}

fn quoted_end(chars: &[char], from: usize, quote: char) -> usize {
    let mut end = from;
    while end < chars.len() && chars[end] != quote {
        end += if chars[end] == '\\' { 2 } else { 1 };
    }
    (end + 1).min(chars.len())
}

/// `b"…"`, `c"…"`, `b'…'`, and raw strings with any number of `#`.
fn prefixed_end(chars: &[char], at: usize) -> usize {
    let mut quote = at + 1;
    let raw = chars[at] == 'r' || chars.get(quote) == Some(&'r');
    if raw && chars[at] != 'r' {
        quote += 1;
    }
    if !raw {
        return match chars.get(quote) {
            Some('"') => quoted_end(chars, quote + 1, '"'),
            Some('\'') if chars[at] == 'b' => quoted_end(chars, quote + 1, '\''),
            _ => at,
        };
    }
    let hashes = chars[quote.min(chars.len())..].iter().take_while(|c| **c == '#').count();
    if chars.get(quote + hashes) != Some(&'"') {
        return at; // a raw identifier, or a name that starts with r
    }
    let mut end = quote + hashes + 1;
    while end < chars.len() {
        let closes = chars[end] == '"'
            && chars[end + 1..].iter().take(hashes).filter(|c| **c == '#').count() == hashes;
        end += 1;
        if closes {
            return end + hashes;
        }
    }
    end
}

/// Blanks each item that follows `#[cfg(test)]`, up to its `;` or its closing brace.
fn without_test_items(code: &str) -> String {
    const MARK: &str = "#[cfg(test)]";
    let mut out = String::with_capacity(code.len());
    let mut rest = code;
    while let Some(start) = rest.find(MARK) {
        let end = start + MARK.len() + item_end(&rest[start + MARK.len()..]);
        out.push_str(&rest[..start]);
        out.extend(rest[start..end].chars().filter(|c| *c == '\n'));
        rest = &rest[end..];
    }
    out.push_str(rest);
    out
}

fn item_end(code: &str) -> usize {
    let (mut brackets, mut braces) = (0_usize, 0_usize);
    for (at, c) in code.char_indices() {
        match c {
            '(' | '[' => brackets += 1,
            ')' | ']' => brackets = brackets.saturating_sub(1),
            '{' => braces += 1,
            '}' if braces <= 1 => return at + 1,
            '}' => braces -= 1,
            ';' if brackets == 0 && braces == 0 => return at + 1,
            _ => {}
        }
    }
    code.len()
}
