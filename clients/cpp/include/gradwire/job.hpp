// What is asked for, and what comes back.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "gradwire/arrays.hpp"

namespace gradwire {

/// One batch and what is asked of it: N rows (samples), C classes. What is left out is not sent, and the service has the defaults.
///
/// T is float or double, and the precision of the computation: `dtype` may say otherwise. Exactly one of `targets` and `labels` is needed.
template <class T>
struct Job {
  std::optional<std::string> loss;    ///< a name or alias of the catalogue; default softmax_cross_entropy
  nlohmann::json params;              ///< the loss's own parameters: `{{"gamma", 1.5}}`
  Matrix<T> scores;                   ///< [N, C] raw scores (logits); -inf masks a class (binary form only)
  Matrix<T> targets;                  ///< [N, C] dense labels
  Labels labels;                      ///< [N] lists of class indices from 0, or Labels::single({...})
  Rows<T> label_weights;              ///< nested like `labels`: Rows<T>::single({...}) beside Labels::single
  Array<T> class_weight;              ///< [C]
  Array<T> pos_weight;                ///< [C] or a number; element losses
  Array<T> sample_weight;             ///< [N]
  Matrix<T> element_weight;           ///< [N, C]; element losses
  Matrix<std::uint8_t> mask;          ///< [N, C] of 0 (this label is unknown) and 1
  std::optional<std::int64_t> ignore_index;
  std::optional<std::string> reduction;  ///< none, sum, mean (default)
  std::optional<std::string> mean_over;  ///< rows, elements, weights, valid, positives
  Array<T> grad_output;               ///< a number, or the unreduced loss's shape with reduction none; `grad` only
  std::optional<std::string> dtype;   ///< float32 or float64; default: T
  std::optional<std::string> runtime; ///< pytorch or onnx
};

template <class T>
struct Reply {
  Array<T> loss;           ///< a number; [N] or [N, C] with reduction none
  Matrix<T> grad;          ///< [N, C] = d(sum of grad_output · loss) / d(scores); not given after Client::loss
  std::string request_id;  ///< names this request in the service's log
};

}  // namespace gradwire
