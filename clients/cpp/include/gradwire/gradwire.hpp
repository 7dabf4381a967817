// Multi-label losses and their exact gradients, from a gradwire service.
#pragma once

#include "gradwire/arrays.hpp"
#include "gradwire/client.hpp"
#include "gradwire/errors.hpp"
#include "gradwire/job.hpp"
