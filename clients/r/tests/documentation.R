# Every exported function is described, as it is, in pages that are well formed: `documentation.R MAN`; without a folder there is nothing to do.
folder <- commandArgs(trailingOnly = TRUE)
if (length(folder)) {
  pages <- list.files(folder, full.names = TRUE)
  complaints <- c(unlist(lapply(pages, function(page) capture.output(tools::checkRd(page)))), capture.output(tools::codoc("gradwire")),
                  capture.output(tools::undoc("gradwire")), capture.output(tools::checkDocFiles("gradwire")))
  complaints <- complaints[nzchar(complaints)]
  if (!length(pages) || length(complaints)) stop(paste(c("the documentation is not well:", complaints), collapse = "\n"))
}
