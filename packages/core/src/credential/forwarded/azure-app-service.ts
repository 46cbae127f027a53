import { claimChain, decodeBase64Certificate } from './decode-certificates.ts'
import { type ForwardedReader, noClaim } from './forwarded-claim.ts'
import { readSingleLine } from './single-line.ts'

/**
 * Reads the leaf that Azure App Service writes. App Service verifies nothing.
 *
 *     X-ARR-ClientCert = base64 of one certificate
 *
 * @see https://learn.microsoft.com/azure/app-service/app-service-web-configure-tls-mutual-auth
 */
export function createAzureAppServiceReader(): ForwardedReader {
  return {
    headers: [header],
    read(lines) {
      const value = readSingleLine(lines, header)
      if (typeof value !== 'string') return value
      if (value === '') return noClaim
      const leaf = decodeBase64Certificate(header, value)
      return 'kind' in leaf ? leaf : claimChain(header, [leaf])
    },
  }
}

const header = 'x-arr-clientcert'
