# The bytes of requests, and replies that no service gives.

job <- function(...) gradwire:::job_of(list(...))
json <- function(...) gradwire:::write_json(job(...))

equals(json(scores = rbind(c(NaN, 1 / 3, -Inf), c(1e300, 0.1 + 0.2, NA))),
       '{"scores":[[NaN,0.33333333333333331,-Infinity],[1.0000000000000001e+300,0.30000000000000004,NaN]]}', "numbers with all their digits")
equals(json(scores = matrix(1:4, 2), mask = matrix(c(TRUE, FALSE, TRUE, TRUE), 2)), '{"scores":[[1,3],[2,4]],"mask":[[1,1],[0,1]]}', "row by row")
equals(json(labels = list(0L, integer(), c(1, 2)), label_weights = list(1, NULL, c(2, 3))),
       '{"labels":[[0],[],[1,2]],"label_weights":[[1],[],[2,3]]}', "lists of labels, of any length")
equals(json(labels = c(2, -100), ignore_index = -100), '{"labels":[2,-100],"ignore_index":-100}', "one label a row")
equals(json(params = list(gamma = 1.5, alpha = NULL, soft = "a \"b\"", detach = TRUE)),
       '{"params":{"gamma":1.5,"alpha":null,"soft":"a \\"b\\"","detach":true}}', "parameters")
equals(json(params = list()), '{"params":{}}', "no parameters are an object too")
equals(json(pos_weight = 2, class_weight = 3, grad_output = array(0.5, 1)), '{"pos_weight":2,"class_weight":[3],"grad_output":[0.5]}',
       "what is a number, and what a list of one")
equals(json(scores = matrix("a", 1, 1)), '{"scores":[["a"]]}', "what is no number goes to the service, which says so")
equals(json(), "{}", "what is left out is not sent")
equals(json(dtype = "float32"), "{}", "nor what JSON's numbers are anyway")

fits <- function(...) gradwire:::fits_safetensors(job(...))
check(fits(scores = SCORES, labels = LABELS, label_weights = list(1, c(1, 2)), mask = SCORES > 0), "tensors hold a usual job")
check(!fits(scores = list(1:3, 1:2), labels = LABELS), "but no ragged rows")
check(!fits(scores = SCORES, labels = list(0.5, 1)), "no half labels")
check(!fits(scores = SCORES, labels = list(NA_integer_, 1L)), "no missing labels")
check(!fits(scores = SCORES, labels = list(0, 3e9)), "and none beyond R's integers")
check(!fits(scores = SCORES, labels = LABELS, label_weights = list(c(1, 2), 1)), "no weights that are nested otherwise")
check(!fits(scores = SCORES, labels = LABELS, mask = SCORES), "no mask of other numbers")
check(fits(scores = list(1:3, 4:6), labels = LABELS), "rows of one length are a matrix")
check(fits(scores = as.data.frame(SCORES), labels = LABELS), "and so is a data frame")

unreadable <- function(expression, what) caught("unreadable", expression, what)
for (body in c("", "{", "null", "[]", "1", "\"a\"", "{\"loss\":1}}", "http://127.0.0.1:1/x", strrep("[", 1e5))) {
  unreadable(gradwire:::read_json(charToRaw(body)), paste("JSON", substr(body, 1, 40)))
}
unreadable(gradwire:::read_json(as.raw(c(0x7b, 0, 0x7d))), "JSON with a zero in it")

reply <- function(body, ...) gradwire:::reply_of(list(media_type = "application/json", body = charToRaw(body)), job(scores = SCORES, ...), TRUE)
for (body in c('{"loss":null,"grad":[[1,2,3],[1,2,3]]}', '{"loss":[1,2],"grad":[[1,2,3],[1,2,3]]}', '{"loss":true,"grad":[[1,2,3],[1,2,3]]}',
               '{"loss":1,"grad":[[1,2,3],[1,2]]}', '{"loss":1,"grad":[[1,2,3],[1,2,"3"]]}', '{"loss":1,"grad":[[1,2,3],[1,2,null]]}',
               '{"loss":1,"grad":[1,2,3]}', '{"loss":1,"grad":{"a":1}}', '{"loss":1}', '{"loss":1e999,"grad":[[1,2,3],[1,2,3]]}')) {
  unreadable(reply(body), body)
}
equals(reply('{"loss":0.30000000000000004,"grad":[[1,2,3],[4,5,6]]}'), list(loss = 0.1 + 0.2, grad = rbind(c(1, 2, 3), c(4, 5, 6))), "a reply")

packed <- function(header, data = raw(8)) c(writeBin(c(nchar(header), 0L), raw(), endian = "little"), charToRaw(header), data)
for (header in c("", "null", "1", '{"loss":1}', '{"loss":{"dtype":"F64","shape":[]}}', '{"loss":{"dtype":"F64","shape":[],"data_offsets":[0,9]}}',
                 '{"loss":{"dtype":"F64","shape":[],"data_offsets":[8,0]}}', '{"loss":{"dtype":"F64","shape":[2],"data_offsets":[0,8]}}',
                 '{"loss":{"dtype":"I64","shape":[],"data_offsets":[0,8]}}', '{"loss":{"dtype":"F64","shape":[1e200,1e200],"data_offsets":[0,8]}}',
                 '{"loss":{"dtype":"F64","shape":"x","data_offsets":[0,8]}}', '{"loss":{"dtype":"F64","shape":[-1,-1],"data_offsets":[0,8]}}',
                 '{"loss":{"dtype":"F64","shape":[],"data_offsets":[-8,0]}}')) {
  unreadable(gradwire:::read_safetensors(packed(header)), paste("safetensors", header))
}
for (body in list(raw(), raw(7), as.raw(rep(255, 8)), packed("{}", raw())[1:9])) {
  unreadable(gradwire:::read_safetensors(body), paste("safetensors of", length(body), "bytes"))
}
equals(gradwire:::read_safetensors(packed('{"loss":{"dtype":"F64","shape":[],"data_offsets":[0,8]}}')), list(loss = 0), "a tensor of one number")
