/*
 * The request role: one request in, one reply out.
 */
#ifndef QWD_WEB_WEB_H
#define QWD_WEB_WEB_H

/*
 * main() of a request under a web server: everything comes from the CGI
 * environment and standard input, nothing from the arguments.  The
 * configuration is the file that QWD_CONFIG names (absolute), or the default
 * one.  Always 0: what went wrong is in the reply.
 */
int web_main(void);

#endif
