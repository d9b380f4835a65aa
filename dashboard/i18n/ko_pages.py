"""Korean texts of the pages Contacts, Briefing, Network and Start."""

from __future__ import annotations

TEXTS = {
    # contacts
    "page_contacts": "접촉자",
    "contacts_of": "{case} 접촉자",
    "contacts_lead": "{when} 추적 결과. 접촉자는 이 사례 안의 가명으로만 표시됩니다.",
    "contacts_nobody": "기준 거리 안에 있던 사람이 영상에 없습니다. 보이지 않은 것이 "
    "없었다는 뜻은 아닙니다.",
    "contacts_filtered_out": "이 분류와 상태의 접촉자가 없습니다.",
    "contact_one": "접촉자",
    "contact_choose": "목록에서 한 줄을 선택하십시오.",
    "kpi_share": "24시간 내 연락",
    "kpi_share_help": "판단할 수 있는 접촉자 중 명단에 오른 지 24시간 안에 연락된 사람 "
    "{in_time}명, 그렇지 못한 사람 {late}명. {pending}명은 아직 시간이 있습니다.",
    "followup": "후속 조치",
    "followup_to_notify": "통보 대기",
    "followup_reached": "연락됨",
    "followup_unreachable": "연락 안 됨",
    "followup_tested": "검사함",
    "followup_closed": "종료",
    "followup_since": "{when} 명단에 오름",
    "followup_reached_at": "{when} 연락됨",
    "followup_by": "마지막 입력 {user}, {when}",
    "followup_two_persons": "<b>아직 통보할 수 없습니다.</b> 이 접촉자가 가까이 있던 "
    "포착을 두 사람이 인정해야 합니다(동선 화면).",
    "followup_not_yours": "후속 조치는 역학조사관이 입력합니다.",
    "column_minutes_24h": "최대 24시간",
    "column_minutes_24h_help": "가장 길었던 24시간 동안 기준 거리 안에 있던 시간(분). "
    "{minutes:.0f}분부터 밀접 접촉자입니다.",
    "minutes_format": "%.1f분",
    "column_dose_short": "노출 지수",
    "column_two": "두 사람 확인",
    "column_two_help": "이 접촉자가 가까이 있던 포착을 두 사람이 인정했습니다.",
    "column_episode_start": "접촉",
    "column_camera": "카메라",
    "column_episode_time": "시간",
    "column_metres": "최소 거리",
    "column_masks": "마스크: 환자 · 접촉자",
    "only_minutes": "{minutes}분",
    "sum_24h": "가장 길었던 24시간에 {time}; {limit}부터 밀접",
    "tab_timeline": "마스크 시간표",
    "tab_network": "관계망",
    "tab_export": "내보내기",
    "timeline_lanes": "위: 환자의 마스크, 아래: 접촉자의 마스크.",
    "timeline_alt": "접촉자 {number}명이 가까이 있던 시각과 두 사람의 마스크. "
    "접촉 표에 같은 내용이 있습니다.",
    "timeline_more": "{number}명은 그리지 않았습니다. 위에서 목록을 좁히십시오.",
    "episode_tip": "{start}–{end}, {camera}: {seconds:.0f}초, 최소 {metres:.1f} m; "
    "마스크: 환자 {patient}, 접촉자 {contact}",
    "network_names": "가명과 카메라 표시",
    "network_place": "장소",
    "network_place_number": "장소 {number}",
    "network_patient": "환자",
    "network_keys": "선이 굵을수록 오래 가까이 있었습니다.",
    "network_alt": "환자와 장소 {places}곳, 그곳에서 가까이 있던 접촉자 {contacts}명. "
    "목록에 같은 내용이 있습니다.",
    "export_note": "모든 파일은 요약값과 함께 기록됩니다. 이름은 없고 가명만 있으며, "
    "밖으로 나간 파일은 그곳에서도 삭제해야 합니다.",
    "export_csv": "표(CSV)",
    "export_csv_help": "접촉자마다 한 줄: 이유, 마스크, 노출 지수, 후속 조치.",
    "export_geojson": "지도 점(GeoJSON)",
    "export_geojson_help": "접촉마다 점 하나, WGS84.",
    "export_godata": "Go.Data 접촉자",
    "export_godata_help": "Go.Data 접촉자 가져오기용. 사례 가명이 원 사례입니다.",
    "export_sormas": "SORMAS 접촉자",
    "export_sormas_help": "SORMAS 접촉자 가져오기용. 날짜는 DD.MM.YYYY입니다.",
}
