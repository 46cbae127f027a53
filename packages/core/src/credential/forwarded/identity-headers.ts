/**
 * The headers, in lower case, in which known proxies identify their caller. Each proxy passes the headers of the
 * others through, so a header that the configured format does not use can only come from the caller. Handlers never see
 * any of them.
 */
export const identityHeaders: readonly string[] = Object.freeze([
  // RFC 9440; also HAProxy, Caddy, Cloudflare, CloudFront: https://www.rfc-editor.org/rfc/rfc9440.html
  'client-cert',
  'client-cert-chain',

  // Envoy, Istio, Azure Container Apps:
  // https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_conn_man/headers#x-forwarded-client-cert
  'x-forwarded-client-cert',

  // Linkerd: https://linkerd.io/2/features/automatic-mtls/
  'l5d-client-id',

  // Traefik: https://doc.traefik.io/traefik/reference/routing-configuration/http/middlewares/passtlsclientcert/
  'x-forwarded-tls-client-cert',
  'x-forwarded-tls-client-cert-info',

  // ingress-nginx: https://kubernetes.github.io/ingress-nginx/user-guide/nginx-configuration/annotations/
  'ssl-client-cert',
  'ssl-client-issuer-dn',
  'ssl-client-subject-dn',
  'ssl-client-verify',

  // The usual names with nginx and HAProxy, which have none of their own
  'x-ssl-cert',
  'x-ssl-chain',
  'x-ssl-client-cert',
  'x-ssl-client-chain',
  'x-ssl-client-cn',
  'x-ssl-client-dn',
  'x-ssl-client-fingerprint',
  'x-ssl-client-i-dn',
  'x-ssl-client-issuer',
  'x-ssl-client-not-after',
  'x-ssl-client-not-before',
  'x-ssl-client-s-dn',
  'x-ssl-client-serial',
  'x-ssl-client-sha1',
  'x-ssl-client-subject',
  'x-ssl-client-verify',
  'x-ssl-issuer',
  'x-ssl-san-uri',
  'x-ssl-subject',

  // The usual names with Apache httpd: https://httpd.apache.org/docs/current/mod/mod_ssl.html#envvars
  'ssl_client_cert',
  'ssl_client_i_dn',
  'ssl_client_s_dn',
  'ssl_client_verify',

  // AWS Application Load Balancer:
  // https://docs.aws.amazon.com/elasticloadbalancing/latest/application/mutual-authentication.html
  'x-amzn-mtls-clientcert',
  'x-amzn-mtls-clientcert-issuer',
  'x-amzn-mtls-clientcert-leaf',
  'x-amzn-mtls-clientcert-serial-number',
  'x-amzn-mtls-clientcert-subject',
  'x-amzn-mtls-clientcert-validity',

  // Amazon CloudFront: https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/viewer-mtls-headers.html
  'cloudfront-viewer-cert-issuer',
  'cloudfront-viewer-cert-pem',
  'cloudfront-viewer-cert-present',
  'cloudfront-viewer-cert-serial-number',
  'cloudfront-viewer-cert-sha256',
  'cloudfront-viewer-cert-subject',
  'cloudfront-viewer-cert-validity',

  // Azure App Service: https://learn.microsoft.com/azure/app-service/app-service-web-configure-tls-mutual-auth
  'x-arr-clientcert',

  // Cloudflare: https://developers.cloudflare.com/ssl/client-certificates/forward-a-client-certificate/
  'cf-client-cert-der-base64',
  'cf-client-cert-sha256',

  // The names in Google's documentation; also Kong and YARP:
  // https://cloud.google.com/load-balancing/docs/https/custom-headers
  'x-client-cert',
  'x-client-cert-chain',
  'x-client-cert-chain-verified',
  'x-client-cert-dnsname-sans',
  'x-client-cert-error',
  'x-client-cert-fingerprint',
  'x-client-cert-hash',
  'x-client-cert-issuer-dn',
  'x-client-cert-leaf',
  'x-client-cert-present',
  'x-client-cert-serial',
  'x-client-cert-serial-number',
  'x-client-cert-spiffe',
  'x-client-cert-subject-dn',
  'x-client-cert-uri-sans',
  'x-client-cert-valid-not-after',
  'x-client-cert-valid-not-before',
])
