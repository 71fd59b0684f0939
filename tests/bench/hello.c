/* The yardstick: the least that a CGI program in C can do. */
#include <stdio.h>

int main(void)
{
	fputs("Status: 303 See Other\r\nLocation: /\r\n"
	      "Content-Type: text/plain\r\n\r\nhello\n", stdout);
	return 0;
}
