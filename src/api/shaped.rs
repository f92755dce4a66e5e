//! Bodies as the document's schemas mean them. Left to itself serde reads a struct from an array of its fields' values
//! too, so that `[null, null]` would be a patch that asks for nothing; and takes `52.0` for no integer, which in JSON
//! Schema it is. JavaScript and Python write both.

use std::fmt;

use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error, MapAccess, SeqAccess, Unexpected, VariantAccess,
    Visitor,
};

/// A deserializer, visitor, seed or access, so that what it reads has the schema's shape, and all that is in it.
pub struct Shaped<T>(pub T);

/// The visitor of a struct: of a map, and of nothing else.
struct Fields<V>(V);

/// The visitor of an integer.
struct Whole<V>(V);

macro_rules! forward_deserializer {
    ($($method:ident($($arg:ident: $kind:ty),*) as $wrap:ident;)*) => {
        $(fn $method<V: Visitor<'de>>(self, $($arg: $kind,)* visitor: V) -> Result<V::Value, D::Error> {
            self.0.$method($($arg,)* $wrap(visitor))
        })*
    };
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Shaped<D> {
    type Error = D::Error;

    forward_deserializer! {
        deserialize_any() as Shaped;
        deserialize_bool() as Shaped;
        deserialize_i8() as Whole;
        deserialize_i16() as Whole;
        deserialize_i32() as Whole;
        deserialize_i64() as Whole;
        deserialize_i128() as Whole;
        deserialize_u8() as Whole;
        deserialize_u16() as Whole;
        deserialize_u32() as Whole;
        deserialize_u64() as Whole;
        deserialize_u128() as Whole;
        deserialize_f32() as Shaped;
        deserialize_f64() as Shaped;
        deserialize_char() as Shaped;
        deserialize_str() as Shaped;
        deserialize_string() as Shaped;
        deserialize_bytes() as Shaped;
        deserialize_byte_buf() as Shaped;
        deserialize_option() as Shaped;
        deserialize_unit() as Shaped;
        deserialize_unit_struct(name: &'static str) as Shaped;
        deserialize_newtype_struct(name: &'static str) as Shaped;
        deserialize_seq() as Shaped;
        deserialize_tuple(len: usize) as Shaped;
        deserialize_tuple_struct(name: &'static str, len: usize) as Shaped;
        deserialize_map() as Shaped;
        deserialize_struct(name: &'static str, fields: &'static [&'static str]) as Fields;
        deserialize_enum(name: &'static str, variants: &'static [&'static str]) as Shaped;
        deserialize_identifier() as Shaped;
        deserialize_ignored_any() as Shaped;
    }

    fn is_human_readable(&self) -> bool {
        self.0.is_human_readable()
    }
}

macro_rules! forward_visitor {
    ($($method:ident: $kind:ty;)*) => {
        $(fn $method<E: Error>(self, value: $kind) -> Result<V::Value, E> {
            self.0.$method(value)
        })*
    };
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Shaped<V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.expecting(f)
    }

    forward_visitor! {
        visit_bool: bool;
        visit_i8: i8;
        visit_i16: i16;
        visit_i32: i32;
        visit_i64: i64;
        visit_i128: i128;
        visit_u8: u8;
        visit_u16: u16;
        visit_u32: u32;
        visit_u64: u64;
        visit_u128: u128;
        visit_f32: f32;
        visit_f64: f64;
        visit_char: char;
        visit_str: &str;
        visit_borrowed_str: &'de str;
        visit_string: String;
        visit_bytes: &[u8];
        visit_borrowed_bytes: &'de [u8];
        visit_byte_buf: Vec<u8>;
    }

    fn visit_none<E: Error>(self) -> Result<V::Value, E> {
        self.0.visit_none()
    }

    fn visit_unit<E: Error>(self) -> Result<V::Value, E> {
        self.0.visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<V::Value, D::Error> {
        self.0.visit_some(Shaped(deserializer))
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<V::Value, D::Error> {
        self.0.visit_newtype_struct(Shaped(deserializer))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<V::Value, A::Error> {
        self.0.visit_seq(Shaped(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, fields: A) -> Result<V::Value, A::Error> {
        self.0.visit_map(Shaped(fields))
    }

    fn visit_enum<A: EnumAccess<'de>>(self, variants: A) -> Result<V::Value, A::Error> {
        self.0.visit_enum(Shaped(variants))
    }
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Fields<V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.expecting(f)
    }

    fn visit_map<A: MapAccess<'de>>(self, fields: A) -> Result<V::Value, A::Error> {
        self.0.visit_map(Shaped(fields))
    }
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Whole<V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.expecting(f)
    }

    forward_visitor! {
        visit_i64: i64;
        visit_i128: i128;
        visit_u64: u64;
        visit_u128: u128;
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<V::Value, E> {
        // Beyond 2^53 a float names no one integer.
        let whole = value.fract() == 0.0 && value.abs() <= EXACT_MAX;
        #[expect(clippy::cast_possible_truncation, reason = "whole, and within 2^53")]
        if whole {
            self.0.visit_i64(value as i64)
        } else {
            Err(E::invalid_type(Unexpected::Float(value), &self))
        }
    }
}

/// 2^53: up to it each integer is a float of its own.
const EXACT_MAX: f64 = 9_007_199_254_740_992.0;

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Shaped<S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<S::Value, D::Error> {
        self.0.deserialize(Shaped(deserializer))
    }
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Shaped<A> {
    type Error = A::Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, A::Error> {
        self.0.next_element_seed(Shaped(seed))
    }

    fn size_hint(&self) -> Option<usize> {
        self.0.size_hint()
    }
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Shaped<A> {
    type Error = A::Error;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, A::Error> {
        self.0.next_key_seed(seed)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        self.0.next_value_seed(Shaped(seed))
    }

    fn size_hint(&self) -> Option<usize> {
        self.0.size_hint()
    }
}

impl<'de, A: EnumAccess<'de>> EnumAccess<'de> for Shaped<A> {
    type Error = A::Error;
    type Variant = Shaped<A::Variant>;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self::Variant), A::Error> {
        self.0.variant_seed(seed).map(|(name, variant)| (name, Shaped(variant)))
    }
}

impl<'de, A: VariantAccess<'de>> VariantAccess<'de> for Shaped<A> {
    type Error = A::Error;

    fn unit_variant(self) -> Result<(), A::Error> {
        self.0.unit_variant()
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, A::Error> {
        self.0.newtype_variant_seed(Shaped(seed))
    }

    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, A::Error> {
        self.0.tuple_variant(len, Shaped(visitor))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, A::Error> {
        self.0.struct_variant(fields, Fields(visitor))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;
    use serde::de::DeserializeOwned;
    use serde_json::json;

    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(default)]
    #[derive(Default)]
    struct Inner {
        count: Option<i64>,
        part: f64,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    enum Choice {
        One(Inner),
        Two { inner: Inner },
        Three(u8, Inner),
        Four,
    }

    fn read<T: DeserializeOwned>(value: &serde_json::Value) -> Result<T, String> {
        let text = value.to_string();
        let mut deserializer = serde_json::Deserializer::from_str(&text);
        T::deserialize(Shaped(&mut deserializer)).map_err(|error| error.to_string())
    }

    #[test]
    fn no_array_stands_for_an_object_however_deep() {
        let inner = |count| Inner { count, part: 0.5 };
        assert_eq!(read(&json!({"count": 3, "part": 0.5})), Ok(inner(Some(3))));
        let refused = read::<Inner>(&json!([3, 0.5])).unwrap_err();
        assert!(refused.starts_with("invalid type: sequence, expected struct Inner"), "{refused}");
        assert!(read::<Vec<Inner>>(&json!([{}, []])).is_err());
        assert!(read::<BTreeMap<String, Option<Inner>>>(&json!({"a": {}, "b": null, "c": [1]})).is_err());
        for wrong in [
            json!({"One": []}),
            json!({"Two": [[]]}),
            json!({"Two": {"inner": []}}),
            json!({"Three": [1, []]}),
        ] {
            assert!(read::<Choice>(&wrong).is_err(), "{wrong}");
        }
        assert_eq!(read(&json!({"Three": [1, {"part": 0.5}]})), Ok(Choice::Three(1, inner(None))));
        assert_eq!(read(&json!({"Two": {"inner": {"part": 0.5}}})), Ok(Choice::Two { inner: inner(None) }));
        assert_eq!(read(&json!("Four")), Ok(Choice::Four));
    }

    #[test]
    fn a_whole_number_is_an_integer_however_it_is_written() {
        let count = |text: &str| {
            let mut deserializer = serde_json::Deserializer::from_str(text);
            i64::deserialize(Shaped(&mut deserializer)).ok()
        };
        let read = ["52", "52.0", "-1.0", "5.2e1", "9007199254740992.0"].map(count);
        assert_eq!(read, [Some(52), Some(52), Some(-1), Some(52), Some(9_007_199_254_740_992)]);
        assert_eq!(["52.5", "9007199254740994.0", "1e300", "\"52\"", "true", "null"].map(count), [None; 6]);
        let mut small = serde_json::Deserializer::from_str("-1.0");
        assert!(u8::deserialize(Shaped(&mut small)).is_err());
    }
}
