#include "check.hpp"

int main() {
  test_arrays();
  test_forms();
  test_golden();
  test_live();
  test_locked();
  test_faults();
  test_connections();
  if (failures != 0) return std::cerr << failures << " of " << checks << " checks are not well\n", 1;
  std::cout << checks << " checks, all well\n";
}
