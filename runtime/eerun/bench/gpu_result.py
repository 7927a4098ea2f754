"""What a bench run found out about the card that the chain ran on."""

from dataclasses import dataclass

from eerun.device_executor.profile_result import ChainProfile, WholeProfile

__all__ = ["CardSummary", "Clock", "Energy", "EnergySummary", "GpuSummary", "Spread"]


@dataclass(frozen=True, kw_only=True)
class Spread:
    """A median, and the least and most that it is of."""

    median: float
    least: float
    most: float


@dataclass(frozen=True, kw_only=True)
class Clock:
    """A clock while contestants ran, in MHz.

    Attributes:
        seen: of all readings.
        highest: what the card allows; None: it does not tell.
    """

    seen: Spread
    highest: int | None


@dataclass(frozen=True, kw_only=True)
class CardSummary:
    """The card while contestants took turns, by NVML; None: the card does not tell.

    Attributes:
        readings: how many times it was asked.
        sm_mhz: clock of the multiprocessors.
        memory_mhz: clock of the memory.
        slowed_by: what held the clocks back at any time, in words.
        temperature_c: in degrees Celsius.
        power_w: of the board.
    """

    readings: int
    sm_mhz: Clock | None
    memory_mhz: Clock | None
    slowed_by: tuple[str, ...]
    temperature_c: Spread | None
    power_w: Spread | None


@dataclass(frozen=True, kw_only=True)
class Energy:
    """Energy of one contestant, medians and extremes over laps.

    Attributes:
        mj_per_image: of the whole board, idle power included.
        watts: mean power of a lap.
        images: answered in all laps.
    """

    mj_per_image: Spread
    watts: Spread
    images: int


@dataclass(frozen=True, kw_only=True)
class EnergySummary:
    """Energy of chain and whole network, which took turns, a lap each.

    Attributes:
        chain: with exits.
        whole: the network without exit heads.
        ratio: energy per image of the whole network by that of the chain in the same lap; above 1 the chain saves.
        laps: how many laps each.
        lap_s: seconds of a lap.
        from_counter: by the board's energy counter; otherwise by samples of its power (before Volta).
        least_updates: how many times the card told something new in the lap where it did least.
    """

    chain: Energy
    whole: Energy
    ratio: Spread
    laps: int
    lap_s: float
    from_counter: bool
    least_updates: int


@dataclass(frozen=True, kw_only=True)
class GpuSummary:
    """The card, the times on it by events, its clocks, its energy.

    Attributes:
        card: as its maker calls it.
        compute_capability: `MAJOR.MINOR`; None: it is no GPU.
        driver: version of the driver.
        in_flight: batches of this size that run at once in one call: more than one only beyond the largest bucket.
        device_exits: whether the card goes from exit to exit by itself.
        rows: samples of the batch that was taken apart, of a folded network images.
        chain: that batch with exits.
        exits_off: the same when nobody leaves early.
        whole_name: the whole network that was taken apart, and whose energy was measured: the fastest of those that
            run on the device.
        whole: that network.
        device_boundary_us: what a boundary costs when the device decides; None: the host decides.
        no_card: why clocks and energy are not known; None: they are.
        card_state: the card during the run.
        energy: energy of chain and whole network.
        no_energy: why energy is not known though the rest is; None: it is.
    """

    card: str
    compute_capability: str | None
    driver: str
    in_flight: int
    device_exits: bool
    rows: int
    chain: ChainProfile
    exits_off: ChainProfile
    whole_name: str
    whole: WholeProfile
    device_boundary_us: float | None
    no_card: str | None
    card_state: CardSummary | None
    energy: EnergySummary | None
    no_energy: str | None
