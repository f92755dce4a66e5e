//! What does not fit in an activity that an app writes as JSON, as its answer tells it.

use super::error::FieldError;
use crate::domain::draft::Misfit;

/// What to change first, with how many more there are, and the fields that do not fit; nothing where all do. `base` is
/// where the activity is in the body.
pub(super) fn told(base: &str, misfits: &[Misfit]) -> Option<(String, Vec<FieldError>)> {
    let (first, others) = misfits.split_first()?;
    let rest = match others.len() {
        0 => String::new(),
        1 => " One more field does not fit: see errors.".to_owned(),
        more => format!(" {more} more fields do not fit: see errors."),
    };
    let field = |misfit: &Misfit| FieldError {
        pointer: format!("{base}{}", misfit.pointer),
        code: misfit.code.to_owned(),
    };
    let detail = format!("At {base}{}: {}.{rest}", first.pointer, first.says);
    Some((detail, misfits.iter().map(field).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_is_told_and_the_others_are_counted() {
        let misfit =
            |pointer: &str| Misfit { pointer: pointer.to_owned(), code: "name", says: "expected x".into() };
        let all = [misfit("/a"), misfit("/b"), misfit("/c")];
        let detail = |count: usize| told("/items/3", &all[..count]).map(|(detail, _)| detail);
        assert_eq!(detail(0), None);
        assert_eq!(detail(1).as_deref(), Some("At /items/3/a: expected x."));
        let two = "At /items/3/a: expected x. One more field does not fit: see errors.";
        assert_eq!(detail(2).as_deref(), Some(two));
        let three = "At /items/3/a: expected x. 2 more fields do not fit: see errors.";
        assert_eq!(detail(3).as_deref(), Some(three));
        let (_, errors) = told("/items/3", &all).expect("some");
        assert_eq!((errors.len(), errors[2].pointer.as_str()), (3, "/items/3/c"));
    }
}
