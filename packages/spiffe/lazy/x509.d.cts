import type x509 = require('@peculiar/x509')

declare class SecondReading extends x509.X509Certificate {
  get parsed(): typeof this.asn
}

/** Loads `@peculiar/x509`, once. `parseAgain` returns the structure of a certificate as that library parses it. */
export declare function loadX509(): { readonly parseAgain: (der: Uint8Array) => SecondReading['parsed'] }
