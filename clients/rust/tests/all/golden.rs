//! The golden cases, in both forms, against the golden requests and the live service.

use std::fs;
use std::path::Path;

use gradwire::{Error, FieldError, Float, Form, Job, Json, Labels, Rows, Value};

use crate::setup::*;

/// The two precisions as a test needs them.
trait Precision: Float {
    fn of(number: f64) -> Self;
    fn wide(self) -> f64;
}

impl Precision for f32 {
    fn of(number: f64) -> f32 {
        number as f32
    }

    fn wide(self) -> f64 {
        self.into()
    }
}

impl Precision for f64 {
    fn of(number: f64) -> f64 {
        number
    }

    fn wide(self) -> f64 {
        self
    }
}

#[test]
fn golden_cases_in_both_forms() {
    let cases = read("cases.json");
    assert!(list(&cases).len() > 20);
    for each in list(&cases) {
        for form in FORMS {
            match member(member(each, "job").unwrap(), "dtype").map(text) {
                Some("float64") => try_case::<f64>(each, form, 1e-10),
                _ => try_case::<f32>(each, form, 1e-5),
            }
        }
    }
}

fn try_case<T: Precision>(case: &Json, form: Form, tolerance: f64) {
    let name = text(member(case, "name").unwrap());
    let job = job_of::<T>(member(case, "job").unwrap());
    for client in [faulty(&format!("golden/{name}"), in_form(form)), client(&setting("GRADWIRE_URL"), in_form(form))] {
        let is_loss = text(member(case, "path").unwrap()) == "/loss";
        let reply = if is_loss {
            client.loss(&job).map(|reply| (reply.loss, None, reply.request_id))
        } else {
            client.grad(&job).map(|reply| (reply.loss, Some(reply.grad), reply.request_id))
        };
        match (reply, number(member(case, "status").unwrap())) {
            (Ok((loss, grad, request_id)), 200.0) => {
                let expected = read(&format!("{name}.reply.json"));
                same(&json_of(&loss), member(&expected, "loss").unwrap(), tolerance, name);
                assert_eq!(grad.is_some(), member(&expected, "grad").is_some());
                if let Some(grad) = grad {
                    same(&json_of(&Value::Matrix(grad)), member(&expected, "grad").unwrap(), tolerance, name);
                }
                assert!(request_id.is_some());
            }
            (Err(error), status) if status != 200.0 => same_problem(&error, &read(&format!("{name}.problem.json"))),
            (other, status) => panic!("{name}, {form:?}: found {:?}, expected {status}", other.map(|(loss, ..)| loss)),
        }
    }
}

fn same_problem(error: &Error, expected: &Json) {
    let Error::Refused(refused) = error else { panic!("found {error:?}") };
    let get = |problem, name| text(member(problem, name).unwrap()).to_string();
    let errors = member(expected, "errors").map_or(&[][..], list);
    let errors: Vec<_> = errors.iter().map(|each| FieldError { pointer: get(each, "pointer"), detail: get(each, "detail") }).collect();
    assert_eq!(f64::from(refused.status), number(member(expected, "status").unwrap()));
    assert_eq!((&refused.title, &refused.detail), (&get(expected, "title"), &get(expected, "detail")));
    assert_eq!(refused.errors, errors);
    assert!(refused.request_id.is_some());
}

/// Numbers, or lists of them, are the same to rounding.
fn same(found: &Json, expected: &Json, tolerance: f64, name: &str) {
    if let (Json::Number(found), Json::Number(expected)) = (found, expected) {
        assert!((found - expected).abs() <= tolerance * expected.abs().max(1.0), "{name}: found {found}, expected {expected}");
        return;
    }
    assert_eq!(list(found).len(), list(expected).len(), "{name}");
    for (one, other) in list(found).iter().zip(list(expected)) {
        same(one, other, tolerance, name);
    }
}

fn json_of<T: Precision>(value: &Value<T>) -> Json {
    let list = |row: &[T]| Json::List(row.iter().map(|number| Json::Number(number.wide())).collect());
    match value {
        Value::Number(number) => Json::Number(number.wide()),
        Value::Vector(values) => list(values),
        Value::Matrix(rows) => Json::List(rows.iter().map(list).collect()),
    }
}

/// A job from what JSON has; the precision is said by T.
fn job_of<T: Precision>(fields: &Json) -> Job<T> {
    let Json::Object(fields) = fields else { panic!("found {fields:?}") };
    let mut job = Job::default();
    for (name, value) in fields {
        match name.as_str() {
            "loss" => job.loss = Some(text(value).into()),
            "params" => job.params = if let Json::Object(params) = value { params.clone() } else { panic!("found {value:?}") },
            "scores" => job.scores = rows(value),
            "targets" => job.targets = Some(rows(value)),
            "labels" if is_nested(value) => job.labels = Some(integers(value).into()),
            "labels" => job.labels = Some(Labels::Single(list(value).iter().map(|index| number(index) as i64).collect())),
            "label_weights" => job.label_weights = Some(Labels::Lists(rows(value))),
            "class_weight" => job.class_weight = Some(row(value)),
            "pos_weight" => job.pos_weight = Some(value_of(value)),
            "sample_weight" => job.sample_weight = Some(row(value)),
            "element_weight" => job.element_weight = Some(rows(value)),
            "mask" => job.mask = Some(list(value).iter().map(|row| list(row).iter().map(is_set)).collect()),
            "ignore_index" => job.ignore_index = Some(number(value) as i64),
            "reduction" => job.reduction = Some(text(value).parse().unwrap()),
            "mean_over" => job.mean_over = Some(text(value).parse().unwrap()),
            "grad_output" => job.grad_output = Some(value_of(value)),
            "runtime" => job.runtime = Some(text(value).into()),
            "dtype" => {}
            _ => panic!("the field {name:?} is in no job"),
        }
    }
    job
}

fn value_of<T: Precision>(value: &Json) -> Value<T> {
    match value {
        Json::Number(number) => Value::Number(T::of(*number)),
        _ if is_nested(value) => Value::Matrix(rows(value)),
        _ => Value::Vector(row(value)),
    }
}

fn rows<T: Precision>(value: &Json) -> Rows<T> {
    list(value).iter().map(row).collect()
}

fn row<T: Precision>(value: &Json) -> Vec<T> {
    list(value).iter().map(|each| T::of(number(each))).collect()
}

fn integers(value: &Json) -> Rows<i64> {
    list(value).iter().map(|row| list(row).iter().map(|index| number(index) as i64)).collect()
}

fn is_nested(value: &Json) -> bool {
    matches!(list(value).first(), Some(Json::List(_)))
}

fn is_set(value: &Json) -> bool {
    matches!(value, Json::Bool(true)) || *value == Json::Number(1.0)
}

fn read(name: &str) -> Json {
    let path = Path::new(&setting("GRADWIRE_GOLDEN")).join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path:?}: {error}")).trim().parse().unwrap()
}

fn member<'a>(value: &'a Json, name: &str) -> Option<&'a Json> {
    match value {
        Json::Object(members) => members.get(name),
        _ => panic!("found {value:?}, expected an object"),
    }
}

fn list(value: &Json) -> &[Json] {
    match value {
        Json::List(values) => values,
        _ => panic!("found {value:?}, expected a list"),
    }
}

fn text(value: &Json) -> &str {
    match value {
        Json::Text(text) => text,
        _ => panic!("found {value:?}, expected a string"),
    }
}

fn number(value: &Json) -> f64 {
    match value {
        Json::Number(number) => *number,
        _ => panic!("found {value:?}, expected a number"),
    }
}

#[test]
fn problems_of_every_status_are_given_back_whole() {
    let Json::Object(known) = read("statuses.json") else { panic!("no object") };
    assert!(known.len() >= 9);
    for (status, about) in &known {
        let error = failure(&faulty(&format!("status/{status}"), with_retries(0)));
        same_problem(&error, member(about, "problem").unwrap());
        let refused = expected!(&error, Refused);
        let seconds = member(member(about, "headers").unwrap(), "Retry-After").map(|after| text(after).parse().unwrap());
        assert_eq!(refused.retry_after.map(|after| after.as_secs()), seconds);
        assert!(error.to_string().starts_with(&refused.detail));
    }
}
