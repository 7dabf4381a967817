//! Jobs and replies as JSON.

use std::collections::BTreeMap;

use crate::element::{Element, Float};
use crate::job::{Field, Job};
use crate::json::{push_all, push_object, push_quoted};
use crate::json_reader::Reader;
use crate::reply::{Array, MOST_DIMENSIONS};
use crate::rows::Rows;

/// The body of a request.
pub(crate) fn body<T: Float>(job: &Job<T>) -> Vec<u8> {
    let mut fields = job.fields();
    if job.dtype.is_none() && T::NAME == "float64" {
        fields.push(("dtype", Field::Text(T::NAME)));
    }
    let mut out = String::new();
    push_all(&fields, ['{', '}'], &mut out, |(name, field), out| {
        push_quoted(name, out);
        out.push(':');
        push(field, out);
    });
    out.into_bytes()
}

/// Adds a field.
pub(crate) fn push<T: Float>(field: &Field<'_, T>, out: &mut String) {
    match field {
        Field::Text(text) => push_quoted(text, out),
        Field::Integer(number) => number.push_text(out),
        Field::Params(params) => push_object(params, out),
        Field::Number(number) => number.push_text(out),
        Field::Vector(values) => push_row(values, out),
        Field::Indices(values) => push_row(values, out),
        Field::Matrix(rows) => push_rows(rows, out),
        Field::Lists(rows) => push_rows(rows, out),
        Field::Flags(rows) => push_rows(rows, out),
    }
}

fn push_row<V: Element>(values: &[V], out: &mut String) {
    push_all(values, ['[', ']'], out, |value, out| value.push_text(out));
}

fn push_rows<V: Element>(rows: &Rows<V>, out: &mut String) {
    push_all(rows.iter(), ['[', ']'], out, push_row);
}

/// Loss and gradient, as far as they are there, rounded to their precision; the error says what was found.
pub(crate) fn arrays<T: Float>(body: &[u8], precision: &str) -> Result<BTreeMap<String, Array<T>>, String> {
    let text = std::str::from_utf8(body).map_err(|error| format!("bytes that are no UTF-8 ({error})"))?;
    let mut reader = Reader { text, at: 0 };
    let mut arrays = BTreeMap::new();
    reader.object(0, |reader, name| {
        let value = reader.skip(1)?;
        if matches!(name.as_str(), "loss" | "grad") {
            let array = array(value, precision).map_err(|error| format!("{name} with {error}"))?;
            arrays.insert(name, array);
        }
        Ok(())
    })?;
    reader.end()?;
    Ok(arrays)
}

/// A number, or lists of them.
fn array<T: Float>(text: &str, precision: &str) -> Result<Array<T>, String> {
    let mut values = Vec::new();
    let shape = numbers(&mut Reader { text, at: 0 }, 0, precision, &mut values)?;
    Ok(Array { shape, values })
}

/// Adds a number or the numbers of a list, `depth` lists deep, and gives its shape.
fn numbers<T: Float>(reader: &mut Reader<'_>, depth: usize, precision: &str, values: &mut Vec<T>) -> Result<Vec<usize>, String> {
    if reader.next() != b'[' {
        values.push(number(reader.number()?, precision)?);
        return Ok(Vec::new());
    }
    if depth == MOST_DIMENSIONS {
        return Err(format!("lists more than {MOST_DIMENSIONS} deep"));
    }
    let mut shape = vec![0];
    reader.list(depth, |reader| {
        let inner = numbers(reader, depth + 1, precision, values)?;
        if shape[0] > 0 && shape[1..] != inner {
            return Err(format!("uneven lists: {inner:?} in row {}, {:?} before", shape[0], &shape[1..]));
        }
        shape = [&[shape[0] + 1], &inner[..]].concat();
        Ok(())
    })?;
    Ok(shape)
}

/// A number of the precision, as a T.
fn number<T: Float>(text: &str, precision: &str) -> Result<T, String> {
    let value = if precision == "float64" { text.parse::<f64>() } else { text.parse::<f32>().map(f64::from) };
    let value = value.ok().filter(|value| value.is_finite()).ok_or_else(|| format!("{text}, which {precision} cannot hold"))?;
    T::rounded(value).ok_or_else(|| format!("{text}, which a f32 cannot hold: use a Job<f64>"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_with_uneven_or_strange_arrays_are_refused() {
        for text in ["[[1],[2,3]]", "[1,[2]]", "[[[1]]]", "null", "[null]", "\"1\"", "1e400", "[true]"] {
            let body = format!("{{\"loss\":{text}}}");
            assert!(arrays::<f64>(body.as_bytes(), "float64").is_err(), "{text} was believed");
        }
        assert!(arrays::<f32>(b"{\"loss\":1e39}", "float64").unwrap_err().contains("Job<f64>"));
        assert!(arrays::<f32>(b"{\"loss\":1e39}", "float32").is_err());
    }

    #[test]
    fn numbers_are_written_in_the_shortest_form() {
        let job = Job { scores: [[0.1_f32, 1e30, -2.0, f32::NAN, f32::NEG_INFINITY]].into(), ..Job::default() };
        assert_eq!(String::from_utf8(body(&job)).unwrap(), r#"{"scores":[[0.1,1e30,-2.0,NaN,-Infinity]]}"#);
    }
}
