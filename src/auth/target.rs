//! Whether two addresses are the same target (RFC 9449, section 4.3: compared after normalising, without
//! query and fragment).

/// An http or https address in the one form of RFC 3986, section 6.2.2 and 6.2.3: scheme and host in lower
/// case, no default port, no dot segments, percent signs only where needed. Nothing if it is no such address.
pub(super) fn normalised(url: &str) -> Option<String> {
    if !url.bytes().all(|byte| byte.is_ascii_graphic()) || url.contains('\\') {
        return None;
    }
    let url = url.split(['?', '#']).next()?;
    let (scheme, rest) = url.split_once("://")?;
    let scheme = scheme.to_ascii_lowercase();
    let default_port = match scheme.as_str() {
        "http" => 80,
        "https" => 443,
        _ => return None,
    };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let authority = host_and_port(&authority.to_ascii_lowercase(), default_port)?;
    Some(format!("{scheme}://{authority}{}", without_dots(&percent(path)?)))
}

/// The host, with its port if that is not the default. A user name in front of it is refused: it may make the
/// host look like another one.
fn host_and_port(authority: &str, default_port: u16) -> Option<String> {
    let bracket = authority.rfind(']').unwrap_or(0);
    let (host, port) = match authority.rfind(':').filter(|colon| *colon >= bracket) {
        Some(colon) => (authority.get(..colon)?, authority.get(colon + 1..)?),
        None => (authority, ""),
    };
    let literal = host.starts_with('[') && host.ends_with(']');
    if host.is_empty() || host.contains('@') || (host.contains(':') && !literal) {
        return None;
    }
    if port.is_empty() {
        return Some(host.to_owned());
    }
    if !port.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let port: u16 = port.parse().ok()?;
    Some(if port == default_port { host.to_owned() } else { format!("{host}:{port}") })
}

/// Percent signs of unreserved characters resolved, the others' digits in upper case.
fn percent(path: &str) -> Option<String> {
    let mut out = String::with_capacity(path.len());
    let mut rest = path;
    while let Some((plain, after)) = rest.split_once('%') {
        let digits = after.get(..2).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
        let byte = u8::from_str_radix(digits, 16).ok()?;
        out.push_str(plain);
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push_str(&digits.to_ascii_uppercase());
        }
        rest = after.get(2..)?;
    }
    out.push_str(rest);
    Some(out)
}

/// RFC 3986, section 5.2.4, for an absolute path; the empty path is `/`.
fn without_dots(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        match segment {
            "." | ".." => {
                if segment == ".." {
                    kept.pop();
                }
                if last {
                    kept.push("");
                }
            }
            _ => kept.push(segment),
        }
    }
    format!("/{}", kept.join("/"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const URL: &str = "https://daybook.example/v1/sync";

    #[test]
    fn other_ways_to_write_an_address_are_the_same_target() {
        for other in [
            "HTTPS://Daybook.Example/v1/sync",
            "https://daybook.example:443/v1/sync",
            "https://daybook.example:/v1/sync",
            "https://daybook.example:0443/v1/sync",
            "https://daybook.example/v1/sync?limit=5",
            "https://daybook.example/v1/sync#part",
            "https://daybook.example/v1/%73ync",
            "https://daybook.example/v1/./sync",
            "https://daybook.example/v1/x/../sync",
            "https://daybook.example/../v1/sync",
        ] {
            assert_eq!(normalised(other).as_deref(), Some(URL), "{other}");
        }
        assert_eq!(normalised("http://h"), normalised("http://h:80/?q"));
        assert_eq!(normalised("http://h/a%c3%a9"), normalised("http://h/a%C3%A9"));
        assert_eq!(normalised("http://h/a/.."), normalised("http://h/"));
        assert_eq!(normalised("http://h/a/."), normalised("http://h/a/"));
        assert_eq!(normalised("http://[2001:DB8::1]:80/").as_deref(), Some("http://[2001:db8::1]/"));
    }

    proptest! {
        #[test]
        fn the_normal_form_is_its_own_normal_form(
            url in "[hH]ttps?://[a-zA-Z0-9.:@\\[\\]]{0,12}(/|\\.|%2[eEfF]|%C3|[a-cA-C%~?#]){0,12}"
        ) {
            if let Some(normal) = normalised(&url) {
                prop_assert_eq!(normalised(&normal), Some(normal.clone()));
            }
        }

        #[test]
        fn any_text_is_answered(url in ".{0,40}", path in "[/%.a-z0-9]{0,20}") {
            normalised(&url);
            normalised(&format!("https://h{path}"));
        }
    }

    #[test]
    fn other_targets_stay_other() {
        for other in [
            "http://daybook.example/v1/sync",
            "https://daybook.example:8443/v1/sync",
            "https://daybook.example:80/v1/sync",
            "https://daybook.example.evil/v1/sync",
            "https://daybook.example/v1/sync/",
            "https://daybook.example/V1/sync",
            "https://daybook.example/v1%2Fsync",
            "https://daybook.example//v1/sync",
            "https://daybook.example/v1/sync%3Fq",
        ] {
            let theirs = normalised(other);
            assert!(theirs.is_some(), "{other}");
            assert_ne!(theirs.as_deref(), Some(URL), "{other}");
        }
    }

    #[test]
    fn what_is_no_http_address_is_nothing() {
        for text in [
            "",
            "/v1/sync",
            "daybook.example/v1/sync",
            "ftp://daybook.example/v1/sync",
            "https://",
            "https:///v1/sync",
            "https://:443/v1/sync",
            "https://daybook.example:+443/v1/sync",
            "https://daybook.example:70000/v1/sync",
            "https://daybook.example:443:443/v1/sync",
            "https://2001:db8::1/v1/sync",
            "https://somebody@daybook.example/v1/sync",
            "https://daybook.example/v1/sync%",
            "https://daybook.example/v1/%zz",
            "https://daybook.example/v1/%+1",
            "https://daybook.example/v1\\sync",
            "https://daybook.example/v1/sy nc",
            "https://däybook.example/v1/sync",
        ] {
            assert_eq!(normalised(text), None, "{text:?}");
        }
    }
}
