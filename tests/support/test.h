/* What every unit test includes: cmocka with what it needs before it. */
#ifndef MIEN_TESTS_SUPPORT_TEST_H
#define MIEN_TESTS_SUPPORT_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#endif
