import { type Authority, type TestSource, type TestSvid } from '@countersign/testkit';
/** The callers of the demo, valid and invalid, by their names in the table: who signs which SVID for them. */
declare const callers: {
    'core-api': {
        signer: "ours";
        spiffeId: string;
    };
    'analytics-service': {
        signer: "ours";
        spiffeId: string;
    };
    'notification-service': {
        signer: "ours";
        spiffeId: string;
    };
    'core-api of staging': {
        signer: "ours";
        spiffeId: string;
    };
    'core-api of partner': {
        signer: "partner";
        spiffeId: string;
    };
    'no certificate': null;
    'core-api, wrong CA': {
        signer: "stranger";
        spiffeId: string;
    };
    'core-api, signed by partner': {
        signer: "partner";
        spiffeId: string;
        faults: "foreign_trust_domain"[];
    };
    'core-api, two URI SANs': {
        signer: "ours";
        spiffeId: string;
        faults: "two_uri_sans"[];
    };
    'core-api, for 3 seconds': {
        signer: "ours";
        spiffeId: string;
        ttlSeconds: number;
    };
};
/** A caller's name in the table. */
export type CallerName = keyof typeof callers;
/** The signers of the demo. */
export interface Authorities {
    /** The authority of saas.example, our trust domain. */
    readonly ours: Authority;
    /** The authority of partner.example, whose bundle our service has and whose workloads it authenticates. */
    readonly partner: Authority;
    /** Claims to be of saas.example, but is in no bundle. */
    readonly stranger: Authority;
}
/** Creates the authorities in memory, valid for two days, which is longer than any SVID of the demo. */
export declare function createAuthorities(): Promise<Authorities>;
/** The SPIFFE ID of the service. */
export declare const serviceId: string;
/** The SVID and the bundles of the service. */
export declare function createSource(authorities: Authorities): Promise<TestSource>;
/** Issues the service's SVID for a day, with host names for clients such as curl. */
export declare function issueService({ ours }: Authorities): Promise<TestSvid>;
/**
 * Issues the SVID that a caller presents, valid for a day unless the caller's entry sets another lifetime. Returns null
 * if the caller presents none.
 */
export declare function issueFor(name: CallerName, authorities: Authorities): Promise<TestSvid | null>;
export {};
