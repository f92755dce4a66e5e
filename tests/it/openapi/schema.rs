//! As much of JSON Schema as the document uses, and stricter: a field that no schema names is wrong.

use serde_json::Value;

/// Compares values with schemas of a document; what is wrong is told with the place of it.
pub struct Check<'a> {
    pub document: &'a Value,
    pub wrong: &'a mut Vec<String>,
}

impl Check<'_> {
    /// Compares one value.
    pub fn value(&mut self, schema: &Value, value: &Value, at: &str) {
        if let Some(reference) = schema["$ref"].as_str() {
            let pointer = reference.trim_start_matches('#');
            match self.document.pointer(pointer) {
                Some(target) => self.value(&target.clone(), value, at),
                None => self.wrong.push(format!("{at}: {reference} leads nowhere")),
            }
            return;
        }
        if let Some(choices) = schema["oneOf"].as_array().or(schema["anyOf"].as_array()) {
            self.choice(choices, value, at);
            return;
        }
        if schema["allOf"].is_array() {
            let alternatives = self.alternatives(schema);
            self.choice(&alternatives, value, at);
            return;
        }
        let kinds: Vec<&str> = match &schema["type"] {
            Value::String(kind) => vec![kind],
            Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
            // Without a type anything goes.
            _ => return,
        };
        if !kinds.iter().any(|kind| is(kind, value)) {
            self.wrong.push(format!("{at}: {value} is not of type {kinds:?}"));
            return;
        }
        if let Some(words) = schema["enum"].as_array()
            && !words.contains(value)
        {
            self.wrong.push(format!("{at}: {value} is none of {words:?}"));
        }
        match value {
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.value(&schema["items"], item, &format!("{at}/{index}"));
                }
            }
            Value::Object(_) => self.object(schema, value, at),
            _ => {}
        }
    }

    /// The schemas of which a value fits one, each with all its parts in one: a field belongs to any of them.
    fn alternatives(&self, schema: &Value) -> Vec<Value> {
        if let Some(reference) = schema["$ref"].as_str() {
            let target = self.document.pointer(reference.trim_start_matches('#'));
            return target.map(|target| self.alternatives(target)).unwrap_or_default();
        }
        if let Some(choices) = schema["oneOf"].as_array().or(schema["anyOf"].as_array()) {
            return choices.iter().flat_map(|choice| self.alternatives(choice)).collect();
        }
        let Some(parts) = schema["allOf"].as_array() else { return vec![schema.clone()] };
        parts.iter().fold(vec![serde_json::json!({})], |whole, part| {
            let more = self.alternatives(part);
            whole.iter().flat_map(|whole| more.iter().map(|part| united(whole, part))).collect()
        })
    }

    fn choice(&mut self, choices: &[Value], value: &Value, at: &str) {
        let mut all = Vec::new();
        for choice in choices {
            let mut wrong = Vec::new();
            Check { document: self.document, wrong: &mut wrong }.value(choice, value, at);
            if wrong.is_empty() {
                return;
            }
            all.extend(wrong);
        }
        self.wrong.extend(all);
    }

    fn object(&mut self, schema: &Value, value: &Value, at: &str) {
        let Some(properties) = schema["properties"].as_object() else {
            let others = &schema["additionalProperties"];
            for (name, field) in value.as_object().into_iter().flatten().filter(|_| others.is_object()) {
                self.value(others, field, &format!("{at}/{name}"));
            }
            return;
        };
        for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            if value.get(name).is_none() {
                self.wrong.push(format!("{at}: {name} is required and absent"));
            }
        }
        for (name, field) in value.as_object().into_iter().flatten() {
            match properties.get(name) {
                Some(property) => self.value(property, field, &format!("{at}/{name}")),
                None => self.wrong.push(format!("{at}: the schema has no {name}")),
            }
        }
    }
}

fn is(kind: &str, value: &Value) -> bool {
    match kind {
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        "null" => value.is_null(),
        _ => false,
    }
}

/// Two parts of one schema: properties and what is required of both, all else of the second.
fn united(whole: &Value, part: &Value) -> Value {
    let mut united = whole.clone();
    for (name, value) in part.as_object().into_iter().flatten() {
        match (united.get_mut(name), value) {
            (Some(Value::Object(there)), Value::Object(more)) => there.extend(more.clone()),
            (Some(Value::Array(there)), Value::Array(more)) => there.extend(more.clone()),
            _ => united[name] = value.clone(),
        }
    }
    united
}
