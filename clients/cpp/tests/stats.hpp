// What the misbehaving server has counted.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

nlohmann::json stats(const std::string& path = "/stats");
int requests_of(const std::string& token);
