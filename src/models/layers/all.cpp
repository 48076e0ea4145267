// All loops of layers in one file for the compiler, which reads libtorch's headers for a dozen seconds.

#include "activation.cpp"
#include "attention.cpp"
#include "norm.cpp"
#include "recurrence.cpp"
#include "rotary.cpp"
