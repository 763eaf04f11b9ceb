//! Values and rows: the few types that both engines share.

use super::StoreError;
use crate::model::clock::Timestamp;

/// A parameter or a cell.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// NULL of any type.
    Null,
    /// TEXT.
    Text(String),
    /// BIGINT.
    Int(i64),
    /// BOOLEAN.
    Bool(bool),
    /// DOUBLE PRECISION.
    Real(f64),
    /// BYTEA.
    Bytes(Vec<u8>),
}

macro_rules! value_from {
    ($($from:ty => $variant:ident),*) => {
        $(impl From<$from> for Value {
            fn from(value: $from) -> Self {
                Self::$variant(value.into())
            }
        })*
    };
}

value_from!(&str => Text, String => Text, i64 => Int, bool => Bool, f64 => Real, Vec<u8> => Bytes);

impl From<&String> for Value {
    fn from(value: &String) -> Self {
        Self::Text(value.clone())
    }
}

impl From<Timestamp> for Value {
    fn from(value: Timestamp) -> Self {
        Self::Int(value.0)
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// A row of a result. A cell of another type than the one asked for is an error, never a panic.
#[derive(Clone, Debug, PartialEq)]
pub struct Row(pub(super) Vec<Value>);

macro_rules! cell {
    ($(#[$doc:meta] $name:ident, $opt:ident -> $type:ty: $($pattern:pat => $value:expr),+;)*) => {
        $(
            #[$doc]
            ///
            /// # Errors
            /// Fails where the cell is NULL or of another type.
            pub fn $name(&self, column: usize) -> Result<$type, StoreError> {
                match self.0.get(column) {
                    $(Some($pattern) => Ok($value),)+
                    other => Err(mismatch(column, stringify!($name), other)),
                }
            }

            #[$doc]
            /// NULL is `None`.
            ///
            /// # Errors
            /// Fails where the cell is of another type.
            pub fn $opt(&self, column: usize) -> Result<Option<$type>, StoreError> {
                match self.0.get(column) {
                    Some(Value::Null) => Ok(None),
                    _ => self.$name(column).map(Some),
                }
            }
        )*
    };
}

impl Row {
    cell! {
        /// A cell of TEXT.
        text, opt_text -> String: Value::Text(text) => text.clone();
        /// A cell of BIGINT.
        int, opt_int -> i64: Value::Int(int) => *int;
        /// A cell of BOOLEAN (SQLite keeps it as 0 or 1).
        bool, opt_bool -> bool: Value::Bool(bool) => *bool, Value::Int(int @ (0 | 1)) => *int == 1;
        /// A cell of DOUBLE PRECISION.
        real, opt_real -> f64: Value::Real(real) => *real;
        /// A cell of BYTEA.
        bytes, opt_bytes -> Vec<u8>: Value::Bytes(bytes) => bytes.clone();
        /// A cell of BIGINT that holds microseconds UTC.
        time, opt_time -> Timestamp: Value::Int(int) => Timestamp(*int);
    }
}

fn mismatch(column: usize, wanted: &str, found: Option<&Value>) -> StoreError {
    StoreError::custom(match found {
        Some(found) => format!("column {column} should be {wanted} and is {found:?}"),
        None => format!("there is no column {column}"),
    })
}

/// Placeholders for a list: `list(3, 2)` is `$2, $3, $4`.
#[must_use]
pub fn list(count: usize, first: usize) -> String {
    (first..first + count).map(|number| format!("${number}")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_of_the_wrong_type_are_errors() {
        let row = Row(vec![Value::Int(1), Value::Null, Value::Text("x".into())]);
        assert_eq!(row.bool(0).ok(), Some(true));
        assert_eq!(row.opt_text(1).ok(), Some(None));
        assert!(row.int(2).is_err() && row.text(0).is_err() && row.int(9).is_err() && row.text(1).is_err());
    }

    #[test]
    fn placeholders_count_from_the_first() {
        assert_eq!(list(3, 2), "$2, $3, $4");
        assert_eq!(list(0, 1), "");
    }
}
