declare module 'client-certificate-auth' {
  import type { RequestHandler } from 'express'
  import type { PeerCertificate } from 'node:tls'

  export default function clientCertificateAuth(check: (certificate: PeerCertificate) => boolean): RequestHandler
}

declare module 'passport-client-cert' {
  import type { PeerCertificate } from 'node:tls'
  import type { Strategy as PassportStrategy } from 'passport'

  export class Strategy implements PassportStrategy {
    constructor(verify: (certificate: PeerCertificate, done: (error: null, who: object | false) => void) => void)
    authenticate: PassportStrategy['authenticate']
  }
}
