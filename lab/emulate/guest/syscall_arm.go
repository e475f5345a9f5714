package main

// finitModule is not in package syscall (the kernel's arch/arm/tools/syscall.tbl).
const finitModule = 379
