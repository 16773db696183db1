// Generated from idl/margrave.json by scripts/generate.mjs.
import type { Decoder } from "@solana/kit";
import {
  getAccountFlaggedDecoder,
  type AccountFlagged,
  getBankListedDecoder,
  type BankListed,
  getBracketEndedDecoder,
  type BracketEnded,
  getBracketOpenedDecoder,
  type BracketOpened,
  getBreachProvenDecoder,
  type BreachProven,
  getBreakerTrippedDecoder,
  type BreakerTripped,
  getCandidateNominatedDecoder,
  type CandidateNominated,
  getChangeCancelledDecoder,
  type ChangeCancelled,
  getChangeExecutedDecoder,
  type ChangeExecuted,
  getChangeQueuedDecoder,
  type ChangeQueued,
  getChangedNowDecoder,
  type ChangedNow,
  getCollateralLiquidatedDecoder,
  type CollateralLiquidated,
  getCollateralTransferredDecoder,
  type CollateralTransferred,
  getConsentGrantedDecoder,
  type ConsentGranted,
  getConsentRevokedDecoder,
  type ConsentRevoked,
  getDebtWrittenOffDecoder,
  type DebtWrittenOff,
  getDeficitCoveredDecoder,
  type DeficitCovered,
  getDelegateSetDecoder,
  type DelegateSet,
  getDeleveragedDecoder,
  type Deleveraged,
  getDepegUpdatedDecoder,
  type DepegUpdated,
  getDepositedDecoder,
  type Deposited,
  getExpiryClosedDecoder,
  type ExpiryClosed,
  getExpiryListedDecoder,
  type ExpiryListed,
  getExpirySettledDecoder,
  type ExpirySettled,
  getFeesCollectedDecoder,
  type FeesCollected,
  getFeesSweptDecoder,
  type FeesSwept,
  getGroupCreatedDecoder,
  type GroupCreated,
  getGroupLaunchedDecoder,
  type GroupLaunched,
  getInterestAccruedDecoder,
  type InterestAccrued,
  getLossSharedDecoder,
  type LossShared,
  getLossUnsharedDecoder,
  type LossUnshared,
  getMarginAccountClosedDecoder,
  type MarginAccountClosed,
  getMarginAccountOpenedDecoder,
  type MarginAccountOpened,
  getModeSetDecoder,
  type ModeSet,
  getPausedUntilDecoder,
  type PausedUntil,
  getPnlSettledDecoder,
  type PnlSettled,
  getPositionsLiquidatedDecoder,
  type PositionsLiquidated,
  getPriceAcceptedDecoder,
  type PriceAccepted,
  getProfitRegisteredDecoder,
  type ProfitRegistered,
  getQuoteTradedDecoder,
  type QuoteTraded,
  getQuotesCancelledDecoder,
  type QuotesCancelled,
  getSliceLiquidatedDecoder,
  type SliceLiquidated,
  getStrikesListedDecoder,
  type StrikesListed,
  getSurfaceSetDecoder,
  type SurfaceSet,
  getTradedDecoder,
  type Traded,
  getUnderlyingListedDecoder,
  type UnderlyingListed,
  getVenueFilledDecoder,
  type VenueFilled,
  getVenuePausedDecoder,
  type VenuePaused,
  getVenueRegisteredDecoder,
  type VenueRegistered,
  getWithdrawnDecoder,
  type Withdrawn,
} from "./types/index.js";
/** Every event by its name. */
export type MargraveEvents = {
  AccountFlagged: AccountFlagged;
  BankListed: BankListed;
  BracketEnded: BracketEnded;
  BracketOpened: BracketOpened;
  BreachProven: BreachProven;
  BreakerTripped: BreakerTripped;
  CandidateNominated: CandidateNominated;
  ChangeCancelled: ChangeCancelled;
  ChangeExecuted: ChangeExecuted;
  ChangeQueued: ChangeQueued;
  ChangedNow: ChangedNow;
  CollateralLiquidated: CollateralLiquidated;
  CollateralTransferred: CollateralTransferred;
  ConsentGranted: ConsentGranted;
  ConsentRevoked: ConsentRevoked;
  DebtWrittenOff: DebtWrittenOff;
  DeficitCovered: DeficitCovered;
  DelegateSet: DelegateSet;
  Deleveraged: Deleveraged;
  DepegUpdated: DepegUpdated;
  Deposited: Deposited;
  ExpiryClosed: ExpiryClosed;
  ExpiryListed: ExpiryListed;
  ExpirySettled: ExpirySettled;
  FeesCollected: FeesCollected;
  FeesSwept: FeesSwept;
  GroupCreated: GroupCreated;
  GroupLaunched: GroupLaunched;
  InterestAccrued: InterestAccrued;
  LossShared: LossShared;
  LossUnshared: LossUnshared;
  MarginAccountClosed: MarginAccountClosed;
  MarginAccountOpened: MarginAccountOpened;
  ModeSet: ModeSet;
  PausedUntil: PausedUntil;
  PnlSettled: PnlSettled;
  PositionsLiquidated: PositionsLiquidated;
  PriceAccepted: PriceAccepted;
  ProfitRegistered: ProfitRegistered;
  QuoteTraded: QuoteTraded;
  QuotesCancelled: QuotesCancelled;
  SliceLiquidated: SliceLiquidated;
  StrikesListed: StrikesListed;
  SurfaceSet: SurfaceSet;
  Traded: Traded;
  UnderlyingListed: UnderlyingListed;
  VenueFilled: VenueFilled;
  VenuePaused: VenuePaused;
  VenueRegistered: VenueRegistered;
  Withdrawn: Withdrawn;
};
export type MargraveEventName = keyof MargraveEvents;
type Row = {
  [N in MargraveEventName]: { name: N; discriminator: readonly number[]; decoder: () => Decoder<MargraveEvents[N]> };
}[MargraveEventName];
export const MARGRAVE_EVENTS: readonly Row[] = [
  { name: "AccountFlagged", discriminator: [181, 207, 1, 185, 195, 195, 145, 154], decoder: getAccountFlaggedDecoder },
  { name: "BankListed", discriminator: [82, 130, 114, 184, 232, 152, 104, 100], decoder: getBankListedDecoder },
  { name: "BracketEnded", discriminator: [110, 157, 87, 161, 22, 73, 25, 233], decoder: getBracketEndedDecoder },
  { name: "BracketOpened", discriminator: [4, 129, 228, 125, 5, 237, 223, 2], decoder: getBracketOpenedDecoder },
  { name: "BreachProven", discriminator: [193, 206, 103, 43, 207, 202, 199, 17], decoder: getBreachProvenDecoder },
  { name: "BreakerTripped", discriminator: [248, 29, 234, 230, 10, 90, 65, 84], decoder: getBreakerTrippedDecoder },
  { name: "CandidateNominated", discriminator: [67, 107, 23, 154, 59, 76, 18, 10], decoder: getCandidateNominatedDecoder },
  { name: "ChangeCancelled", discriminator: [139, 179, 97, 81, 214, 21, 119, 93], decoder: getChangeCancelledDecoder },
  { name: "ChangeExecuted", discriminator: [50, 115, 8, 12, 139, 8, 191, 26], decoder: getChangeExecutedDecoder },
  { name: "ChangeQueued", discriminator: [232, 143, 80, 230, 125, 117, 169, 213], decoder: getChangeQueuedDecoder },
  { name: "ChangedNow", discriminator: [156, 96, 0, 97, 102, 57, 54, 199], decoder: getChangedNowDecoder },
  { name: "CollateralLiquidated", discriminator: [148, 42, 28, 104, 72, 50, 124, 98], decoder: getCollateralLiquidatedDecoder },
  {
    name: "CollateralTransferred",
    discriminator: [119, 180, 79, 171, 178, 67, 120, 237],
    decoder: getCollateralTransferredDecoder,
  },
  { name: "ConsentGranted", discriminator: [151, 98, 229, 56, 36, 111, 88, 46], decoder: getConsentGrantedDecoder },
  { name: "ConsentRevoked", discriminator: [56, 245, 136, 57, 212, 252, 122, 43], decoder: getConsentRevokedDecoder },
  { name: "DebtWrittenOff", discriminator: [209, 2, 110, 82, 195, 224, 240, 68], decoder: getDebtWrittenOffDecoder },
  { name: "DeficitCovered", discriminator: [213, 208, 5, 40, 54, 111, 109, 198], decoder: getDeficitCoveredDecoder },
  { name: "DelegateSet", discriminator: [103, 126, 239, 131, 201, 31, 212, 253], decoder: getDelegateSetDecoder },
  { name: "Deleveraged", discriminator: [34, 71, 31, 45, 212, 184, 131, 185], decoder: getDeleveragedDecoder },
  { name: "DepegUpdated", discriminator: [221, 84, 32, 81, 211, 42, 177, 72], decoder: getDepegUpdatedDecoder },
  { name: "Deposited", discriminator: [111, 141, 26, 45, 161, 35, 100, 57], decoder: getDepositedDecoder },
  { name: "ExpiryClosed", discriminator: [229, 184, 243, 121, 145, 218, 166, 11], decoder: getExpiryClosedDecoder },
  { name: "ExpiryListed", discriminator: [64, 202, 104, 223, 28, 171, 230, 230], decoder: getExpiryListedDecoder },
  { name: "ExpirySettled", discriminator: [251, 101, 239, 69, 87, 205, 61, 222], decoder: getExpirySettledDecoder },
  { name: "FeesCollected", discriminator: [233, 23, 117, 225, 107, 178, 254, 8], decoder: getFeesCollectedDecoder },
  { name: "FeesSwept", discriminator: [96, 218, 115, 136, 74, 170, 202, 172], decoder: getFeesSweptDecoder },
  { name: "GroupCreated", discriminator: [132, 94, 184, 198, 77, 165, 13, 26], decoder: getGroupCreatedDecoder },
  { name: "GroupLaunched", discriminator: [28, 156, 237, 195, 143, 158, 27, 245], decoder: getGroupLaunchedDecoder },
  { name: "InterestAccrued", discriminator: [79, 218, 196, 73, 32, 148, 138, 71], decoder: getInterestAccruedDecoder },
  { name: "LossShared", discriminator: [187, 237, 67, 165, 210, 185, 21, 181], decoder: getLossSharedDecoder },
  { name: "LossUnshared", discriminator: [194, 255, 79, 60, 21, 248, 141, 117], decoder: getLossUnsharedDecoder },
  { name: "MarginAccountClosed", discriminator: [234, 104, 71, 148, 114, 30, 107, 38], decoder: getMarginAccountClosedDecoder },
  { name: "MarginAccountOpened", discriminator: [189, 250, 13, 160, 253, 205, 219, 251], decoder: getMarginAccountOpenedDecoder },
  { name: "ModeSet", discriminator: [69, 75, 205, 201, 23, 196, 156, 48], decoder: getModeSetDecoder },
  { name: "PausedUntil", discriminator: [139, 37, 177, 192, 52, 251, 41, 99], decoder: getPausedUntilDecoder },
  { name: "PnlSettled", discriminator: [24, 113, 104, 254, 135, 46, 95, 203], decoder: getPnlSettledDecoder },
  { name: "PositionsLiquidated", discriminator: [112, 9, 180, 150, 78, 128, 244, 110], decoder: getPositionsLiquidatedDecoder },
  { name: "PriceAccepted", discriminator: [203, 254, 78, 125, 99, 42, 94, 171], decoder: getPriceAcceptedDecoder },
  { name: "ProfitRegistered", discriminator: [29, 168, 251, 92, 204, 204, 236, 160], decoder: getProfitRegisteredDecoder },
  { name: "QuoteTraded", discriminator: [238, 90, 221, 33, 135, 177, 75, 182], decoder: getQuoteTradedDecoder },
  { name: "QuotesCancelled", discriminator: [225, 66, 165, 16, 111, 154, 221, 138], decoder: getQuotesCancelledDecoder },
  { name: "SliceLiquidated", discriminator: [16, 151, 74, 2, 227, 248, 107, 75], decoder: getSliceLiquidatedDecoder },
  { name: "StrikesListed", discriminator: [12, 8, 49, 250, 56, 84, 158, 252], decoder: getStrikesListedDecoder },
  { name: "SurfaceSet", discriminator: [49, 164, 150, 200, 107, 64, 222, 223], decoder: getSurfaceSetDecoder },
  { name: "Traded", discriminator: [225, 202, 73, 175, 147, 43, 160, 150], decoder: getTradedDecoder },
  { name: "UnderlyingListed", discriminator: [57, 73, 128, 96, 22, 41, 22, 97], decoder: getUnderlyingListedDecoder },
  { name: "VenueFilled", discriminator: [219, 143, 140, 156, 178, 113, 95, 144], decoder: getVenueFilledDecoder },
  { name: "VenuePaused", discriminator: [109, 52, 40, 54, 16, 55, 32, 225], decoder: getVenuePausedDecoder },
  { name: "VenueRegistered", discriminator: [86, 82, 191, 91, 171, 241, 178, 9], decoder: getVenueRegisteredDecoder },
  { name: "Withdrawn", discriminator: [20, 89, 223, 198, 194, 124, 219, 13], decoder: getWithdrawnDecoder },
];
