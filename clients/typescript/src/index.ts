export { type CallOptions, Client, type Options } from "./client.js";
export { BadReply, type FieldError, GradwireError, type Problem, Refused, TimedOut, Unreachable } from "./errors.js";
export type { Dtype, Job, Matrix, MeanOver, Reduction, Vector } from "./job.js";
export type { Form, GradReply, LossReply } from "./reply.js";
export { type Floats, Tensor, type TensorLike } from "./tensor.js";
