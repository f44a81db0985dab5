// Draws the schema of the API. Requests that are tried out come with the session of the page.
"use strict";

const api = document.getElementById("api");
SwaggerUIBundle({
  url: api.dataset.schema,
  domNode: api,
  presets: [SwaggerUIBundle.presets.apis],
  layout: "BaseLayout",
  deepLinking: true,
  docExpansion: "list",
  validatorUrl: null, // asks nobody outside
  requestInterceptor: (request) => {
    request.headers["X-CSRFToken"] = api.dataset.csrf;
    return request;
  },
});
