//! A column's values as one array, as the server's own `array_in` reads it (manual, "Array Input and Output Syntax":
//! elements are quoted, NULL is not) or, where the values came in binary form, its `array_recv`: dimensions, whether there are
//! NULLs, the elements' type; the dimension's length and first index; then each element's length and bytes, -1 for NULL.

use bytes::{BufMut, BytesMut};
use tokio_postgres::types::{Format, IsNull, Kind, ToSql, Type};

use crate::pg::pgoutput::Value;

/// Values of one column, to be sent as an array.
#[derive(Debug, Default)]
pub(super) struct Array {
    /// What follows the beginning.
    elements: BytesMut,
    form: Form,
    count: i32,
    nulls: i32,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Form {
    /// There are only NULLs so far.
    #[default]
    Open,
    Text,
    Binary,
}

impl Array {
    /// Adds a value of a tuple; one that is not there is NULL. All have one form, or they are NULL.
    pub(super) fn push(&mut self, value: Option<&Value>) {
        match value {
            Some(Value::Text(bytes)) => {
                self.begin(Form::Text);
                self.text(bytes);
            }
            Some(Value::Binary(bytes)) => {
                self.begin(Form::Binary);
                self.elements.reserve(bytes.len().saturating_add(4));
                // A message of the stream is shorter than 2 GB.
                self.elements.put_i32(i32::try_from(bytes.len()).unwrap_or(i32::MAX));
                self.elements.put_slice(bytes);
            }
            Some(Value::Null | Value::Unchanged) | None => {
                self.null();
                self.nulls += 1;
            }
        }
        self.count += 1;
    }

    /// The form is known now, and with it how the NULLs before are written.
    fn begin(&mut self, form: Form) {
        if self.form == Form::Open {
            self.form = form;
            for _ in 0..std::mem::take(&mut self.count) {
                self.null();
                self.count += 1;
            }
        }
        self.comma();
    }

    fn comma(&mut self) {
        if self.form == Form::Text && self.count > 0 {
            self.elements.put_u8(b',');
        }
    }

    fn null(&mut self) {
        match self.form {
            Form::Open => {}
            Form::Text => {
                self.comma();
                self.elements.put_slice(b"NULL");
            }
            Form::Binary => self.elements.put_i32(-1),
        }
    }

    fn text(&mut self, value: &[u8]) {
        self.elements.reserve(value.len().saturating_add(2));
        self.elements.put_u8(b'"');
        let mut rest = value;
        while let Some(at) = rest.iter().position(|byte| matches!(byte, b'"' | b'\\')) {
            let (plain, special) = rest.split_at(at);
            self.elements.put_slice(plain);
            self.elements.put_u8(b'\\');
            self.elements.put_slice(special.get(..1).unwrap_or_default());
            rest = special.get(1..).unwrap_or_default();
        }
        self.elements.put_slice(rest);
        self.elements.put_u8(b'"');
    }
}

impl ToSql for Array {
    fn to_sql(
        &self,
        of: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match self.form {
            Form::Text => {
                out.put_u8(b'{');
                out.put_slice(&self.elements);
                out.put_u8(b'}');
            }
            Form::Open => {
                out.put_u8(b'{');
                for at in 0..self.count {
                    out.put_slice(if at == 0 { b"NULL" } else { b",NULL" });
                }
                out.put_u8(b'}');
            }
            Form::Binary => {
                let Kind::Array(element) = of.kind() else { return Err(format!("{of} is no array").into()) };
                out.put_i32(1);
                out.put_i32(i32::from(self.nulls > 0));
                out.put_u32(element.oid());
                out.put_i32(self.count);
                out.put_i32(1);
                out.put_slice(&self.elements);
            }
        }
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn encode_format(&self, _: &Type) -> Format {
        match self.form {
            Form::Open | Form::Text => Format::Text,
            Form::Binary => Format::Binary,
        }
    }

    tokio_postgres::types::to_sql_checked!();
}

#[cfg(test)]
mod tests {
    use bytes::{Bytes, BytesMut};
    use tokio_postgres::types::{FromSql, ToSql, Type};

    use super::Array;
    use crate::pg::pgoutput::Value;

    fn sent(values: &[Value], of: &Type) -> BytesMut {
        let mut array = Array::default();
        values.iter().for_each(|value| array.push(Some(value)));
        let mut out = BytesMut::new();
        array.to_sql(of, &mut out).unwrap();
        out
    }

    fn text(text: &'static str) -> Value {
        Value::Text(Bytes::from_static(text.as_bytes()))
    }

    #[test]
    fn text_is_quoted_and_null_is_not() {
        for (values, expected) in [
            (vec![], "{}"),
            (vec![Value::Null], "{NULL}"),
            (vec![Value::Null, Value::Unchanged], "{NULL,NULL}"),
            (vec![Value::Null, text("a"), Value::Null], r#"{NULL,"a",NULL}"#),
            (vec![text(""), text("NULL"), text(r#"a"b\c,{}"#)], r#"{"","NULL","a\"b\\c,{}"}"#),
        ] {
            assert_eq!(sent(&values, &Type::TEXT_ARRAY), expected.as_bytes(), "{values:?}");
        }
    }

    #[test]
    fn binary_values_are_read_back() {
        let int = |value: i32| Value::Binary(Bytes::copy_from_slice(&value.to_be_bytes()));
        for values in [vec![Some(1), Some(-2)], vec![None, Some(7), None], vec![Some(i32::MAX)]] {
            let given: Vec<Value> = values.iter().map(|value| value.map_or(Value::Null, int)).collect();
            let bytes = sent(&given, &Type::INT4_ARRAY);
            assert_eq!(Vec::<Option<i32>>::from_sql(&Type::INT4_ARRAY, &bytes).unwrap(), values);
        }
    }
}
