#include "CConsole.h"

// #embed is C23, which clang takes in older modes as well, with a warning.
#pragma clang diagnostic ignored "-Wc23-extensions"

static const unsigned char index_html[] = {
#embed "web/index.html"
};
static const unsigned char api_js[] = {
#embed "web/api.js"
};
static const unsigned char audit_js[] = {
#embed "web/audit.js"
};
static const unsigned char chart_js[] = {
#embed "web/chart.js"
};
static const unsigned char columns_js[] = {
#embed "web/columns.js"
};
static const unsigned char dead_js[] = {
#embed "web/dead.js"
};
static const unsigned char dialogs_js[] = {
#embed "web/dialogs.js"
};
static const unsigned char dispatch_js[] = {
#embed "web/dispatch.js"
};
static const unsigned char dom_js[] = {
#embed "web/dom.js"
};
static const unsigned char explanation_js[] = {
#embed "web/explanation.js"
};
static const unsigned char fields_js[] = {
#embed "web/fields.js"
};
static const unsigned char filter_js[] = {
#embed "web/filter.js"
};
static const unsigned char fleet_js[] = {
#embed "web/fleet.js"
};
static const unsigned char format_js[] = {
#embed "web/format.js"
};
static const unsigned char history_js[] = {
#embed "web/history.js"
};
static const unsigned char keys_js[] = {
#embed "web/keys.js"
};
static const unsigned char list_js[] = {
#embed "web/list.js"
};
static const unsigned char live_js[] = {
#embed "web/live.js"
};
static const unsigned char overview_js[] = {
#embed "web/overview.js"
};
static const unsigned char many_js[] = {
#embed "web/many.js"
};
static const unsigned char pager_js[] = {
#embed "web/pager.js"
};
static const unsigned char pool_js[] = {
#embed "web/pool.js"
};
static const unsigned char pools_js[] = {
#embed "web/pools.js"
};
static const unsigned char request_js[] = {
#embed "web/request.js"
};
static const unsigned char shell_js[] = {
#embed "web/shell.js"
};
static const unsigned char steering_js[] = {
#embed "web/steering.js"
};
static const unsigned char theme_js[] = {
#embed "web/theme.js"
};
static const unsigned char timeline_js[] = {
#embed "web/timeline.js"
};
static const unsigned char trail_js[] = {
#embed "web/trail.js"
};
static const unsigned char pages_css[] = {
#embed "web/pages.css"
};
static const unsigned char style_css[] = {
#embed "web/style.css"
};

#define SCRIPT "text/javascript; charset=utf-8"
#define STYLE "text/css; charset=utf-8"

static const unsigned char lab_js[] = {
#embed "web/lab.js"
};
static const unsigned char lab_board_js[] = {
#embed "web/lab-board.js"
};
static const unsigned char lab_compare_js[] = {
#embed "web/lab-compare.js"
};
static const unsigned char lab_settings_js[] = {
#embed "web/lab-settings.js"
};
static const unsigned char lab_share_js[] = {
#embed "web/lab-share.js"
};
static const unsigned char lab_css[] = {
#embed "web/lab.css"
};

static const sluice_console_asset files[] = {
    {"/index.html", "text/html; charset=utf-8", index_html, sizeof index_html},
    {"/api.js", SCRIPT, api_js, sizeof api_js},
    {"/audit.js", SCRIPT, audit_js, sizeof audit_js},
    {"/chart.js", SCRIPT, chart_js, sizeof chart_js},
    {"/columns.js", SCRIPT, columns_js, sizeof columns_js},
    {"/dead.js", SCRIPT, dead_js, sizeof dead_js},
    {"/dialogs.js", SCRIPT, dialogs_js, sizeof dialogs_js},
    {"/dispatch.js", SCRIPT, dispatch_js, sizeof dispatch_js},
    {"/dom.js", SCRIPT, dom_js, sizeof dom_js},
    {"/explanation.js", SCRIPT, explanation_js, sizeof explanation_js},
    {"/fields.js", SCRIPT, fields_js, sizeof fields_js},
    {"/filter.js", SCRIPT, filter_js, sizeof filter_js},
    {"/fleet.js", SCRIPT, fleet_js, sizeof fleet_js},
    {"/format.js", SCRIPT, format_js, sizeof format_js},
    {"/history.js", SCRIPT, history_js, sizeof history_js},
    {"/keys.js", SCRIPT, keys_js, sizeof keys_js},
    {"/list.js", SCRIPT, list_js, sizeof list_js},
    {"/live.js", SCRIPT, live_js, sizeof live_js},
    {"/overview.js", SCRIPT, overview_js, sizeof overview_js},
    {"/many.js", SCRIPT, many_js, sizeof many_js},
    {"/pager.js", SCRIPT, pager_js, sizeof pager_js},
    {"/pool.js", SCRIPT, pool_js, sizeof pool_js},
    {"/pools.js", SCRIPT, pools_js, sizeof pools_js},
    {"/request.js", SCRIPT, request_js, sizeof request_js},
    {"/shell.js", SCRIPT, shell_js, sizeof shell_js},
    {"/steering.js", SCRIPT, steering_js, sizeof steering_js},
    {"/theme.js", SCRIPT, theme_js, sizeof theme_js},
    {"/timeline.js", SCRIPT, timeline_js, sizeof timeline_js},
    {"/trail.js", SCRIPT, trail_js, sizeof trail_js},
    {"/pages.css", STYLE, pages_css, sizeof pages_css},
    {"/style.css", STYLE, style_css, sizeof style_css},
    {"/lab.js", "text/javascript; charset=utf-8", lab_js, sizeof lab_js},
    {"/lab-board.js", "text/javascript; charset=utf-8", lab_board_js, sizeof lab_board_js},
    {"/lab-compare.js", "text/javascript; charset=utf-8", lab_compare_js, sizeof lab_compare_js},
    {"/lab-settings.js", "text/javascript; charset=utf-8", lab_settings_js, sizeof lab_settings_js},
    {"/lab-share.js", "text/javascript; charset=utf-8", lab_share_js, sizeof lab_share_js},
    {"/lab.css", "text/css; charset=utf-8", lab_css, sizeof lab_css},
};

size_t sluice_console_count(void) { return sizeof files / sizeof *files; }

sluice_console_asset sluice_console_file(size_t index) {
    sluice_console_asset none = {0};
    return index < sluice_console_count() ? files[index] : none;
}
