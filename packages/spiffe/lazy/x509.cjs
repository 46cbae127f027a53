let parser

/**
 * Loads `@peculiar/x509` when it is first needed, because importing it takes longer than importing all of Countersign.
 * In CommonJS: on every supported version of Node, only `require` can load a package without waiting, and bundlers
 * follow it.
 */
exports.loadX509 = () => (parser ??= createParser())

function createParser() {
  // @peculiar/x509 throws on import unless a Reflect polyfill was loaded before.
  require('reflect-metadata')
  const { X509Certificate } = require('@peculiar/x509')
  // The getters of the library would encode and parse everything again.
  class SecondReading extends X509Certificate {
    get parsed() {
      return this.asn
    }
  }
  return { parseAgain: (der) => new SecondReading(der).parsed }
}
