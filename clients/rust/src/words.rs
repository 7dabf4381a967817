//! The options that are one of a few words.

use std::fmt;
use std::str::FromStr;

macro_rules! words {
    ($(#[$about:meta])* $name:ident { $($(#[$each:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$each])* $variant),+
        }

        impl $name {
            /// The word on the wire.
            pub fn as_str(self) -> &'static str {
                match self {
                    $($name::$variant => $word),+
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str(self.as_str())
            }
        }

        impl FromStr for $name {
            type Err = String;

            /// The error says which words there are.
            fn from_str(word: &str) -> Result<$name, String> {
                match word {
                    $($word => Ok($name::$variant),)+
                    _ => Err(format!("found {word:?}; expected one of {}", [$($word),+].join(", "))),
                }
            }
        }
    };
}

words! {
    /// What becomes of the losses of a batch.
    Reduction {
        /// They are given as they are, in the loss's own unit.
        None = "none",
        /// They are added up.
        Sum = "sum",
        /// Their sum is divided by what [`MeanOver`] says. The service's default.
        Mean = "mean",
    }
}

words! {
    /// What a mean divides by; each loss has its own default.
    MeanOver {
        /// N.
        Rows = "rows",
        /// N·C.
        Elements = "elements",
        /// The weights of what counts.
        Weights = "weights",
        /// What is neither ignored nor masked.
        Valid = "valid",
        /// The sum of the labels.
        Positives = "positives",
    }
}

words! {
    /// The precision of the computation.
    Dtype {
        /// Single precision.
        Float32 = "float32",
        /// Double precision.
        Float64 = "float64",
    }
}
