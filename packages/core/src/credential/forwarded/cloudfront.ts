import type { ForwardedReader } from './forwarded-claim.ts'
import { createPemReader } from './nginx.ts'
import { withStatedPresence } from './stated-presence.ts'

/**
 * Reads the headers of Amazon CloudFront's viewer mTLS in required and optional mode. In passthrough mode CloudFront
 * sends the headers of RFC 9440 instead.
 *
 *     CloudFront-Viewer-Cert-Pem     = one PEM certificate, percent-encoded
 *     CloudFront-Viewer-Cert-Present = "0" / "1", if the origin request policy forwards it
 *
 * @see https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/viewer-mtls-headers.html
 */
export function createCloudfrontReader(): ForwardedReader {
  const pem = createPemReader('cloudfront-viewer-cert-pem', 'leaf')
  return withStatedPresence(pem, 'cloudfront-viewer-cert-present', { yes: '1', no: '0' })
}
