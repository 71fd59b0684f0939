#include "net/curl_reason.h"

enum net_reason curl_reason(CURLcode code)
{
	static const struct {
		CURLcode code;
		enum net_reason reason;
	} table[] = {
		{ CURLE_OK, NET_OK },
		{ CURLE_COULDNT_RESOLVE_HOST, NET_UNKNOWN_HOST },
		{ CURLE_COULDNT_RESOLVE_PROXY, NET_UNKNOWN_HOST },
		{ CURLE_COULDNT_CONNECT, NET_REFUSED_CONNECTION },
		{ CURLE_OPERATION_TIMEDOUT, NET_TIMEOUT },
		{ CURLE_SSL_CONNECT_ERROR, NET_TLS },
		{ CURLE_PEER_FAILED_VERIFICATION, NET_CERTIFICATE },
		{ CURLE_SSL_CACERT_BADFILE, NET_CA_FILE },
		{ CURLE_SEND_ERROR, NET_CLOSED },
		{ CURLE_RECV_ERROR, NET_CLOSED },
		{ CURLE_GOT_NOTHING, NET_CLOSED },
		{ CURLE_PARTIAL_FILE, NET_CLOSED },
		{ CURLE_OUT_OF_MEMORY, NET_INTERNAL },
	};

	for (size_t i = 0; i < ARRAY_LEN(table); i++)
		if (table[i].code == code)
			return table[i].reason;
	return NET_PROTOCOL;
}
