"""Korean texts of the page Exposure."""

from __future__ import annotations

TEXTS = {
    "page_exposure": "노출",
    "exposure_of": "{case} 주변 노출",
    "exposure_lead": "{when} 추적 결과. 환자의 기준 거리 안에 있던 사람을 장소와 "
    "시간별로 보여 줍니다.",
    "exposure_scope": "노출 범위",
    "exposure_scope_case": "사례 하나",
    "exposure_scope_all": "전체 사례 집계",
    "exposure_measure": "지도 색",
    "exposure_measure_time": "접촉 시간",
    "exposure_measure_close": "밀접 접촉자 시간",
    "exposure_measure_dose": "노출량",
    "exposure_unit_time": "기준 거리 안에 있던 인·분. 색의 기준은 고정",
    "exposure_unit_close": "지침의 밀접 접촉자가 있던 인·분(마스크는 고려하지 않음). "
    "색의 기준은 고정",
    "exposure_unit_dose": "노출량의 합. 1은 실내 1 m에서 마스크 없이 15분. 색의 기준은 "
    "고정",
    "exposure_amount_time": "{number}인·분",
    "exposure_amount_close": "밀접 접촉자 {number}인·분",
    "exposure_amount_dose": "노출량 {number}",
    "exposure_hour": "노출이 있던 시간",
    "exposure_ranks": "노출량이 큰 장소",
    "exposure_map_fit": "전체 장소",
    "exposure_map_fit_help": "모든 장소 보기",
    "exposure_map_step_back": "이전 시간으로(Shift+왼쪽)",
    "exposure_map_step_on": "다음 시간으로(Shift+오른쪽)",
    "exposure_map_of_range": "선택 범위의 합",
    "exposure_map_of_moment": "이 시간만",
    "exposure_map_activity": "시간별 노출",
    "exposure_by_hour": "시간별",
    "exposure_sides": "분류는 마스크를 고려하지 않고 노출량은 고려",
    "exposure_hours": "{start:02d}–{end:02d}시",
    "exposure_none": "선택한 범위에 아무것도 없습니다.",
    "exposure_more": "장소 {number}곳은 표시하지 않았습니다. 범위를 좁히십시오.",
    "exposure_grid_more": "{number}시간은 표시하지 않았습니다. 범위를 좁히십시오.",
    "exposure_note": "분류: 지침에 따라 기준 거리 안에 있던 시간으로 나누며 마스크는 "
    "고려하지 않습니다. 노출량: 모두의 합을 기준 노출(실내 1 m에서 마스크 없이 15분)로 "
    "나타낸 값과 5–95 % 구간으로, 장소와 시간을 비교할 뿐 누구의 감염 확률도 아닙니다. "
    "보이지 않은 것이 없었다는 뜻은 아닙니다.",
    "exposure_all": "유효한 전체 사례의 노출",
    "exposure_all_lead": "모든 날을 합친 하루 시간대, 0.7 km² 구역. 개인, 카메라, "
    "사례는 표시하지 않습니다.",
    "exposure_all_none": "아직 보여 줄 수 있는 것이 없습니다.",
    "exposure_all_note": "인원은 5명 단위로 내림(5+), 시간은 5분, 노출량은 0.1 단위로 "
    "표시합니다. 해당 분류나 나머지 인원이 적으면 줄표입니다. 노출량은 모두의 합이며 "
    "누구의 감염 확률도 아닙니다.",
    "exposure_withheld": "표시: 구역·시간대 {shown}건. 숨김: {withheld}건"
    "({persons}명 미만 또는 {cases}개 사례 미만).",
    "tab_places": "장소",
    "tab_grid": "장소별 시간표",
    "kpi_person_minutes": "접촉 시간",
    "kpi_dose": "노출량(5–95 %)",
    "kpi_places": "장소",
    "kpi_hours": "노출이 있던 시간 수",
    "column_mark": "지도",
    "column_near_place": "장소(가까운 카메라)",
    "column_area": "구역",
    "column_person_minutes": "접촉 시간",
    "column_close": "밀접",
    "column_casual": "일상",
    "column_dose_sum": "노출량(5–95 %)",
    "column_who": "접촉자",
}
