//! What an array may hold, and how it is written in each form.

use std::fmt::{Debug, Display, Write};

/// The precision of a job: `f32` or `f64`.
pub trait Float: Element + Display + Default + PartialEq {
    /// The name of the precision on the wire.
    #[doc(hidden)]
    const NAME: &'static str;

    /// The number, exactly.
    #[doc(hidden)]
    fn widened(self) -> f64;

    /// The nearest number of this precision; `None` where it would be infinite and was not.
    #[doc(hidden)]
    fn rounded(value: f64) -> Option<Self>;
}

/// A number or a flag; only this crate says what is one.
pub trait Element: sealed::Sealed + Copy + Debug + Send + Sync + 'static {
    /// The name of its type in safetensors.
    #[doc(hidden)]
    const DTYPE: &'static str;

    /// Adds it as JSON has it; what JSON does not have is a bare token, which the service refuses by name.
    #[doc(hidden)]
    fn push_text(self, out: &mut String);

    /// Adds its bytes, little-endian.
    #[doc(hidden)]
    fn push_bytes(self, out: &mut Vec<u8>);
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for f64 {}
    impl Sealed for i64 {}
    impl Sealed for bool {}
}

macro_rules! float {
    ($type:ty, $dtype:literal) => {
        impl Element for $type {
            const DTYPE: &'static str = $dtype;

            fn push_text(self, out: &mut String) {
                if self.is_infinite() {
                    out.push_str(if self > 0.0 { "Infinity" } else { "-Infinity" });
                } else {
                    write!(out, "{self:?}").expect("a String takes any text"); // the shortest that reads back as the same number
                }
            }

            fn push_bytes(self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_le_bytes());
            }
        }
    };
}

float!(f32, "F32");
float!(f64, "F64");

impl Float for f32 {
    const NAME: &'static str = "float32";

    fn widened(self) -> f64 {
        f64::from(self)
    }

    fn rounded(value: f64) -> Option<f32> {
        let rounded = value as f32;
        (rounded.is_finite() || !value.is_finite()).then_some(rounded)
    }
}

impl Float for f64 {
    const NAME: &'static str = "float64";

    fn widened(self) -> f64 {
        self
    }

    fn rounded(value: f64) -> Option<f64> {
        Some(value)
    }
}

impl Element for i64 {
    const DTYPE: &'static str = "I64";

    fn push_text(self, out: &mut String) {
        write!(out, "{self}").expect("a String takes any text");
    }

    fn push_bytes(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.to_le_bytes());
    }
}

impl Element for bool {
    const DTYPE: &'static str = "BOOL";

    fn push_text(self, out: &mut String) {
        out.push_str(if self { "true" } else { "false" });
    }

    fn push_bytes(self, out: &mut Vec<u8>) {
        out.push(u8::from(self));
    }
}
