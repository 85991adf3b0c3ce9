#include "CConsole.h"

// #embed is C23, which clang takes in older modes as well, with a warning.
#pragma clang diagnostic ignored "-Wc23-extensions"

static const unsigned char index_html[] = {
#embed "web/index.html"
};
static const unsigned char app_js[] = {
#embed "web/app.js"
};
static const unsigned char format_js[] = {
#embed "web/format.js"
};
static const unsigned char view_js[] = {
#embed "web/view.js"
};
static const unsigned char style_css[] = {
#embed "web/style.css"
};

static const sluice_console_asset files[] = {
    {"/index.html", "text/html; charset=utf-8", index_html, sizeof index_html},
    {"/app.js", "text/javascript; charset=utf-8", app_js, sizeof app_js},
    {"/format.js", "text/javascript; charset=utf-8", format_js, sizeof format_js},
    {"/view.js", "text/javascript; charset=utf-8", view_js, sizeof view_js},
    {"/style.css", "text/css; charset=utf-8", style_css, sizeof style_css},
};

size_t sluice_console_count(void) { return sizeof files / sizeof *files; }

sluice_console_asset sluice_console_file(size_t index) {
    sluice_console_asset none = {0};
    return index < sluice_console_count() ? files[index] : none;
}
