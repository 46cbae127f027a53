import type { ForwardedReader } from './forwarded-claim.ts'
import { createPemReader } from './nginx.ts'

/**
 * Reads the leaf that an AWS Application Load Balancer writes in verify mode. The balancer does not send the rest of the
 * chain.
 *
 *     X-Amzn-Mtls-Clientcert-Leaf = one PEM certificate, percent-encoded except for "+", "=" and "/"
 *
 * @see https://docs.aws.amazon.com/elasticloadbalancing/latest/application/mutual-authentication.html
 */
export function createAwsAlbReader(): ForwardedReader {
  return createPemReader('x-amzn-mtls-clientcert-leaf', 'leaf')
}

/**
 * Reads the chain that an AWS Application Load Balancer writes in passthrough mode, in which it verifies nothing.
 *
 *     X-Amzn-Mtls-Clientcert = PEM certificates, leaf first, percent-encoded except for "+", "=" and "/"
 *
 * @see https://docs.aws.amazon.com/elasticloadbalancing/latest/application/mutual-authentication.html
 */
export function createAwsAlbPassthroughReader(): ForwardedReader {
  return createPemReader('x-amzn-mtls-clientcert', 'chain')
}
