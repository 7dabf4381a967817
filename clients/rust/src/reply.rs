//! A reply that has been checked against its request.

use std::collections::BTreeMap;

use crate::answer::Answer;
use crate::client::Form;
use crate::element::Float;
use crate::error::Error;
use crate::job::{Job, Value};
use crate::rows::Rows;
use crate::words::Reduction;
use crate::{binary, json_form};

pub(crate) const MOST_DIMENSIONS: usize = 2; // of a loss and of a gradient

/// The loss of a job.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct LossReply<T> {
    /// A number; with `Reduction::None` `[N]` or `[N, C]`, as the loss has one a row or one an element.
    pub loss: Value<T>,
    /// Under which the service's log has it.
    pub request_id: Option<String>,
}

/// The loss of a job, and its gradient.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct GradReply<T> {
    /// A number; with `Reduction::None` `[N]` or `[N, C]`, as the loss has one a row or one an element.
    pub loss: Value<T>,
    /// `[N, C]`, d(loss)/d(scores).
    pub grad: Rows<T>,
    /// Under which the service's log has it.
    pub request_id: Option<String>,
}

/// A loss or a gradient as it came.
#[derive(Clone, Debug)]
pub(crate) struct Array<T> {
    pub(crate) shape: Vec<usize>,
    pub(crate) values: Vec<T>,
}

impl<T: Float> LossReply<T> {
    pub(crate) fn read(answer: &Answer, job: &Job<T>, form: Form) -> Result<LossReply<T>, Error> {
        let loss = loss(answer, &mut arrays(answer, job, form)?, job)?;
        Ok(LossReply { loss, request_id: answer.request_id() })
    }
}

impl<T: Float> GradReply<T> {
    pub(crate) fn read(answer: &Answer, job: &Job<T>, form: Form) -> Result<GradReply<T>, Error> {
        let mut arrays = arrays(answer, job, form)?;
        let loss = loss(answer, &mut arrays, job)?;
        let grad = arrays.remove("grad").ok_or_else(|| answer.bad("a reply with grad", "one without"))?;
        if grad.shape != job.shape() {
            return Err(answer.bad(&format!("grad of shape {:?}", job.shape()), &format!("{:?}", grad.shape)));
        }
        Ok(GradReply { loss, grad: Rows::shaped(job.shape(), grad.values), request_id: answer.request_id() })
    }
}

fn arrays<T: Float>(answer: &Answer, job: &Job<T>, form: Form) -> Result<BTreeMap<String, Array<T>>, Error> {
    let body = answer.body(form)?;
    let arrays = match form {
        Form::Binary => binary::arrays(body, job.precision()),
        Form::Json => json_form::arrays(body, job.precision()),
    };
    arrays.map_err(|found| answer.bad(&format!("a reply of gradwire in {}", form.media_type()), &found))
}

/// The loss, if its shape is one that the job can have.
fn loss<T: Float>(answer: &Answer, arrays: &mut BTreeMap<String, Array<T>>, job: &Job<T>) -> Result<Value<T>, Error> {
    let Array { shape, values } = arrays.remove("loss").ok_or_else(|| answer.bad("a reply with loss", "one without"))?;
    let is_unreduced = job.reduction == Some(Reduction::None);
    match (&shape[..], &values[..]) {
        ([], [number]) => Ok(Value::Number(*number)),
        ([_], _) if is_unreduced && shape == job.shape()[..1] => Ok(Value::Vector(values)),
        ([_, _], _) if is_unreduced && shape == job.shape() => Ok(Value::Matrix(Rows::shaped(job.shape(), values))),
        _ if is_unreduced => {
            let expected = format!("a loss that is one number, or of shape {:?} or {:?}", &job.shape()[..1], job.shape());
            Err(answer.bad(&expected, &format!("one of shape {shape:?}")))
        }
        _ => Err(answer.bad("a loss that is one number", &format!("one of shape {shape:?}"))),
    }
}
