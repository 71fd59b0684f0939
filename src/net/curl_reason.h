/*
 * Why libcurl could not do what it was asked for.
 */
#ifndef QWD_NET_CURL_REASON_H
#define QWD_NET_CURL_REASON_H

#include <curl/curl.h>

#include "net/net.h"

enum net_reason curl_reason(CURLcode code);

#endif
