//! Jobs and replies as safetensors: a length, a header in JSON, and the numbers as they lie in memory.

use std::collections::BTreeMap;

use crate::element::{Element, Float};
use crate::job::{Field, Job};
use crate::json::{push_all, push_quoted, Json};
use crate::json_form;
use crate::reply::{Array, MOST_DIMENSIONS};

const LENGTH_BYTES: usize = 8; // of the length before the header; tensors begin at a multiple of this

/// The body of a request; `None` where tensors cannot hold the job.
pub(crate) fn body<T: Float>(job: &Job<T>) -> Option<Vec<u8>> {
    if !weights_are_nested_like_labels(job) {
        return None;
    }
    let mut tensors = Tensors::default();
    let mut metadata = Vec::new();
    for (name, field) in aligned(job.fields()) {
        match field {
            Field::Vector(values) => tensors.add(name, &[values.len()], values),
            Field::Indices(values) => tensors.add(name, &[values.len()], values),
            Field::Matrix(rows) if name == "label_weights" => tensors.add(name, &[rows.values().len()], rows.values()),
            Field::Matrix(rows) => tensors.add(name, &rows.shape()?, rows.values()),
            Field::Flags(rows) => tensors.add(name, &rows.shape()?, rows.values()),
            Field::Lists(rows) => {
                let offsets: Vec<i64> = std::iter::once(&0).chain(rows.ends()).map(|end| *end as i64).collect();
                tensors.add(name, &[rows.values().len()], rows.values());
                tensors.add("label_offsets", &[offsets.len()], &offsets);
            }
            Field::Text(text) => metadata.push((name, text.to_string())),
            option => metadata.push((name, as_text(&option))),
        }
    }
    Some(tensors.with(&metadata))
}

/// Integers first and flags last, so that every number lies at a multiple of its size.
fn aligned<'a, T>(mut fields: Vec<(&'static str, Field<'a, T>)>) -> Vec<(&'static str, Field<'a, T>)> {
    fields.sort_by_key(|(_, field)| match field {
        Field::Lists(_) | Field::Indices(_) => 0,
        Field::Flags(_) => 2,
        _ => 1,
    });
    fields
}

/// Flat tensors could not show that they are not, and would pair weights with the wrong labels.
fn weights_are_nested_like_labels<T: Float>(job: &Job<T>) -> bool {
    match (&job.labels, &job.label_weights) {
        (_, None) => true,
        (Some(labels), Some(weights)) => labels.ends() == weights.ends(),
        (None, Some(_)) => false,
    }
}

fn as_text<T: Float>(option: &Field<'_, T>) -> String {
    let mut text = String::new();
    json_form::push(option, &mut text);
    text
}

/// What is to be sent as bytes.
#[derive(Default)]
struct Tensors {
    headers: Vec<(&'static str, String)>,
    data: Vec<u8>,
}

impl Tensors {
    fn add<V: Element>(&mut self, name: &'static str, shape: &[usize], values: &[V]) {
        let begin = self.data.len();
        self.data.reserve(std::mem::size_of_val(values));
        for value in values {
            value.push_bytes(&mut self.data);
        }
        let header = format!(r#"{{"dtype":"{}","shape":{shape:?},"data_offsets":[{begin},{}]}}"#, V::DTYPE, self.data.len());
        self.headers.push((name, header));
    }

    /// The whole body.
    fn with(self, metadata: &[(&'static str, String)]) -> Vec<u8> {
        let mut strings = String::new();
        push_all(metadata, ['{', '}'], &mut strings, |(name, text), out| {
            push_quoted(name, out);
            out.push(':');
            push_quoted(text, out);
        });
        let mut header = format!(r#"{{"__metadata__":{strings}"#);
        for (name, about) in &self.headers {
            header += &format!(r#","{name}":{about}"#);
        }
        header.push('}');
        header += &" ".repeat(header.len().wrapping_neg() % LENGTH_BYTES);
        [&(header.len() as u64).to_le_bytes(), header.as_bytes(), &self.data].concat()
    }
}

/// Loss and gradient, as far as they are there; their precision is checked. The error says what was found.
pub(crate) fn arrays<T: Float>(body: &[u8], precision: &str) -> Result<BTreeMap<String, Array<T>>, String> {
    let (header, data) = header(body)?;
    let mut arrays = BTreeMap::new();
    for name in ["loss", "grad"] {
        if let Some(about) = header.get(name) {
            let array = array(about, data, precision).map_err(|error| format!("{name} {error}"))?;
            arrays.insert(name.to_string(), array);
        }
    }
    Ok(arrays)
}

/// The header, and what lies behind it.
fn header(body: &[u8]) -> Result<(Json, &[u8]), String> {
    let length = body.get(..LENGTH_BYTES).ok_or_else(|| format!("{} bytes", body.len()))?;
    let length = u64::from_le_bytes(length.try_into().expect("eight bytes"));
    let rest = &body[LENGTH_BYTES..];
    if length > rest.len() as u64 {
        return Err(format!("a header of {length} bytes in a reply of {}", body.len()));
    }
    let (header, data) = rest.split_at(length as usize);
    let text = std::str::from_utf8(header).map_err(|error| format!("a header that is no UTF-8 ({error})"))?;
    Ok((text.parse::<Json>().map_err(|error| format!("a header that is no JSON ({error})"))?, data))
}

/// A tensor as the header describes it.
fn array<T: Float>(about: &Json, data: &[u8], precision: &str) -> Result<Array<T>, String> {
    let (expected, width) = if precision == "float64" { ("F64", 8) } else { ("F32", 4) };
    let dtype = about.get("dtype").and_then(Json::text).unwrap_or("");
    if dtype != expected {
        return Err(format!("of type {dtype:?}, not {expected}"));
    }
    let counts = |name| about.get(name).and_then(Json::list).and_then(|all| all.iter().map(Json::count).collect::<Option<Vec<usize>>>());
    let shape = counts("shape").filter(|shape| shape.len() <= MOST_DIMENSIONS).ok_or("with a shape that is none")?;
    let offsets = counts("data_offsets").filter(|offsets| offsets.len() == 2).ok_or("with offsets that are none")?;
    let bytes = data.get(offsets[0]..offsets[1]).ok_or_else(|| format!("at bytes {offsets:?} of {}", data.len()))?;
    let size = shape.iter().try_fold(width, |size: usize, each| size.checked_mul(*each));
    if size != Some(bytes.len()) {
        return Err(format!("of shape {shape:?} and type {expected} in {} bytes", bytes.len()));
    }
    let values = bytes.chunks_exact(width).map(number).collect::<Result<_, _>>()?;
    Ok(Array { shape, values })
}

/// Four or eight bytes as a number.
fn number<T: Float>(bytes: &[u8]) -> Result<T, String> {
    let value = match bytes.try_into() {
        Ok(eight) => f64::from_le_bytes(eight),
        Err(_) => f32::from_le_bytes(bytes.try_into().expect("four bytes")).into(),
    };
    T::rounded(value).ok_or_else(|| format!("with {value:?}, which a f32 cannot hold: use a Job<f64>"))
}
