//! What is asked of the service.

use std::collections::BTreeMap;
use std::fmt;

use crate::element::{Element, Float};
use crate::json::Json;
use crate::rows::Rows;
use crate::words::{Dtype, MeanOver, Reduction};

/// One batch, and what is asked of it. N is the number of rows, C that of classes. What is `None` or empty is not sent, and the service has a
/// default for it; nothing is checked here, for the service says best what is wrong.
#[derive(Clone, Debug, PartialEq)]
pub struct Job<T> {
    /// A name or alias of the catalogue; by default `softmax_cross_entropy`.
    pub loss: Option<String>,
    /// The loss's own parameters: `BTreeMap::from([("gamma".into(), 1.5.into())])`.
    pub params: BTreeMap<String, Json>,
    /// `[N, C]` raw scores. Minus infinity masks a class, in the binary form.
    pub scores: Rows<T>,
    /// `[N, C]` dense labels; either these or `labels`.
    pub targets: Option<Rows<T>>,
    /// Lists of class indices, of which a row may have none, or one index a row.
    pub labels: Option<Labels<i64>>,
    /// A number for each of the labels, nested like them; by default 1.
    pub label_weights: Option<Labels<T>>,
    /// `[C]`.
    pub class_weight: Option<Vec<T>>,
    /// A number, or `[C]`.
    pub pos_weight: Option<Value<T>>,
    /// `[N]`.
    pub sample_weight: Option<Vec<T>>,
    /// `[N, C]`.
    pub element_weight: Option<Rows<T>>,
    /// `[N, C]`; `false`: this label is unknown.
    pub mask: Option<Rows<bool>>,
    /// Rows of labels that hold just this value are left out.
    pub ignore_index: Option<i64>,
    /// By default the mean.
    pub reduction: Option<Reduction>,
    /// What a mean divides by.
    pub mean_over: Option<MeanOver>,
    /// A number or, with `Reduction::None`, `[N]` or `[N, C]`; by default 1.
    pub grad_output: Option<Value<T>>,
    /// Where it is not the precision of `T`. The reply is rounded to `T`.
    pub dtype: Option<Dtype>,
    /// `pytorch` or `onnx`.
    pub runtime: Option<String>,
}

/// Labels, or their weights.
#[derive(Clone, Debug, PartialEq)]
pub enum Labels<V> {
    /// A list a row.
    Lists(Rows<V>),
    /// One a row, whose mean is the one of PyTorch's `CrossEntropyLoss`.
    Single(Vec<V>),
}

/// One number, or an array of them.
#[derive(Clone, Debug, PartialEq)]
pub enum Value<T> {
    /// One number.
    Number(T),
    /// One dimension.
    Vector(Vec<T>),
    /// Two dimensions.
    Matrix(Rows<T>),
}

/// A field as it is to be sent.
pub(crate) enum Field<'a, T> {
    Text(&'a str),
    Integer(i64),
    Params(&'a BTreeMap<String, Json>),
    Number(T),
    Vector(&'a [T]),
    Matrix(&'a Rows<T>),
    Indices(&'a [i64]),
    Lists(&'a Rows<i64>),
    Flags(&'a Rows<bool>),
}

impl<T: Float> Job<T> {
    /// Those that are to be sent, in the order of the contract.
    pub(crate) fn fields(&self) -> Vec<(&'static str, Field<'_, T>)> {
        let fields = [
            ("loss", self.loss.as_deref().map(Field::Text)),
            ("params", (!self.params.is_empty()).then_some(Field::Params(&self.params))),
            ("scores", Some(Field::Matrix(&self.scores))),
            ("targets", self.targets.as_ref().map(Field::Matrix)),
            ("labels", self.labels.as_ref().map(Labels::as_indices)),
            ("label_weights", self.label_weights.as_ref().map(Labels::as_weights)),
            ("class_weight", self.class_weight.as_deref().map(Field::Vector)),
            ("pos_weight", self.pos_weight.as_ref().map(Value::as_field)),
            ("sample_weight", self.sample_weight.as_deref().map(Field::Vector)),
            ("element_weight", self.element_weight.as_ref().map(Field::Matrix)),
            ("mask", self.mask.as_ref().map(Field::Flags)),
            ("ignore_index", self.ignore_index.map(Field::Integer)),
            ("reduction", self.reduction.map(|word| Field::Text(word.as_str()))),
            ("mean_over", self.mean_over.map(|word| Field::Text(word.as_str()))),
            ("grad_output", self.grad_output.as_ref().map(Value::as_field)),
            ("dtype", self.dtype.map(|word| Field::Text(word.as_str()))),
            ("runtime", self.runtime.as_deref().map(Field::Text)),
        ];
        fields.into_iter().filter_map(|(name, field)| Some((name, field?))).collect()
    }

    /// The precision of the reply.
    pub(crate) fn precision(&self) -> &'static str {
        self.dtype.map_or(T::NAME, Dtype::as_str)
    }

    /// `[N, C]`, as far as the rows are alike.
    pub(crate) fn shape(&self) -> [usize; 2] {
        [self.scores.len(), self.scores.get(0).map_or(0, <[T]>::len)]
    }
}

impl<T: Float> Labels<T> {
    fn as_weights(&self) -> Field<'_, T> {
        match self {
            Labels::Lists(rows) => Field::Matrix(rows),
            Labels::Single(values) => Field::Vector(values),
        }
    }
}

impl Labels<i64> {
    fn as_indices<T>(&self) -> Field<'_, T> {
        match self {
            Labels::Lists(rows) => Field::Lists(rows),
            Labels::Single(values) => Field::Indices(values),
        }
    }
}

impl<V> Labels<V> {
    /// How many each row has; `None`: one, plain.
    pub(crate) fn ends(&self) -> Option<&[usize]> {
        match self {
            Labels::Lists(rows) => Some(rows.ends()),
            Labels::Single(_) => None,
        }
    }
}

impl<T: Float> Value<T> {
    /// The number, where it is one.
    pub fn number(&self) -> Option<T> {
        match self {
            Value::Number(number) => Some(*number),
            _ => None,
        }
    }

    fn as_field(&self) -> Field<'_, T> {
        match self {
            Value::Number(number) => Field::Number(*number),
            Value::Vector(values) => Field::Vector(values),
            Value::Matrix(rows) => Field::Matrix(rows),
        }
    }
}

impl<T: Element + fmt::Display> fmt::Display for Value<T> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Number(number) => fmt::Display::fmt(number, out),
            Value::Vector(values) => write!(out, "{values:?}"),
            Value::Matrix(rows) => write!(out, "{rows:?}"),
        }
    }
}

impl<V, R> From<R> for Labels<V>
where
    Rows<V>: From<R>,
{
    fn from(rows: R) -> Labels<V> {
        Labels::Lists(rows.into())
    }
}

impl<T> Default for Job<T> {
    fn default() -> Job<T> {
        Job {
            loss: None,
            params: BTreeMap::new(),
            scores: Rows::default(),
            targets: None,
            labels: None,
            label_weights: None,
            class_weight: None,
            pos_weight: None,
            sample_weight: None,
            element_weight: None,
            mask: None,
            ignore_index: None,
            reduction: None,
            mean_over: None,
            grad_output: None,
            dtype: None,
            runtime: None,
        }
    }
}
